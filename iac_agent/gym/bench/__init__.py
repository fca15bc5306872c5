"""The benchmark: the study's eleven tasks and a hard suite, set up in the gym and judged by what is there afterwards."""
