"""Lossless HCL: locate blocks by address, edit by byte span, and prove that nothing else changed."""
