"""What is refused before any recipe is asked: harmful, run-time and foreign requests; and what is too vague to act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from iac_agent.planner.protocol import Answer, Question, Refusal
from iac_agent.planner.wish import Wish

_HARMFUL: tuple[tuple[str, str], ...] = (
    (
        r"\b(?:ignore|forget|bypass|skip|disable|turn off|override|circumvent|switch off|disregard|drop|suspend|"
        r"without)\b.{0,40}\b(?:your (?:\w+ )?(?:rules?|instructions?|checks?|guardrails?|policy|policies|safeguards?)|guard "
        r"?rails?|previous instructions|safety|safeguards?|approval|the guard|"
        r"the (?:checks|rules|policy|policies)|audit(?: log| trail)?|without (?:a )?plan)\b|\bwithout (?:a plan|asking|approval|"
        r"review|any checks)\b",
        "The guardrails, the plan and the approval are not up to a request.",
    ),
    (
        r"\b(?:print|show|reveal|tell|give|display|dump|list|send|leak|output|read|what(?:'s| is| are))\b.{0,50}\b(?:passwords?|"
        r"secrets?|credentials?|private keys?|access keys?|api keys?|connection strings?|tokens?)\b",
        "Secrets are not shown.",
    ),
    (
        r"\b(?:delete|destroy|wipe|nuke|remove|kill|erase|tear down|drop|purge|trash|terminate)\b\s+(?:the\s+)?(?:whole |entire "
        r"|complete )?(?:everything|all of it|it all|all (?:the |our |my )?(?:resources|infrastructure|vms|machines|servers|"
        r"things|stuff|data)|subscription|infrastructure|environment(?! tag)|stack|tenant|"
        r"everything (?:here|there is|in .*))(?:\s|$|[.,!])(?!.*\bexcept\b)|\bterraform destroy\b|\b(?:wipe|delete|destroy|"
        r"nuke) (?:the )?(?:whole|entire|complete)\b|\bburn it (?:all )?down\b|\bstart (?:over|from scratch)\b",
        "Destroying everything is not one change. Name what should go.",
    ),
    (
        r"\b(?:storage|blobs?|containers?|accounts?|bucket)\b.*\b(?:public(?:ly)?|everyone|anyone|anonymous\w*|the world|"
        r"internet)\b|\b(?:public(?:ly)?|anonymous) (?:access|read\w*|blobs?)\b|\bmake\b.*\bstorage\b.*\bpublic\b",
        "Storage stays closed to the public.",
    ),
    (
        r"\b(?:allow|accept|permit|let|open)\b.{0,30}\b(?:all|any|every(?:thing)?|everybody|anything)\b.{0,30}\b(?:traffic|"
        r"inbound|ports?|in\b|source|from anywhere|from everywhere|protocols?)|\b(?:disable|turn off|switch off|remove|get rid "
        r"of|drop|open up)\b.{0,20}\b(?:firewalls?|all (?:the )?(?:nsgs?|rules|security))\b|"
        r"\bopen (?:up )?(?:all|every|any) ports?\b|\ball ports\b|\bany[- ]any\b",
        "Traffic is let in port by port, from networks that are named.",
    ),
    (
        r"\b(?:disable|turn off|remove|switch off|without|no)\b.{0,25}\b(?:encryption|tls|https(?:[- ]only)?|backups?(?! tags?\b)|purge "
        r"protection|soft delete|locks?|mfa)\b",
        "That would take protection away.",
    ),
    (
        r"\b(?:public ip|internet)\b.*\b(?:database|db)\b.*\b(?:expose|direct)\b|\bexpose\b.*\b(?:database|db|postgres|mysql|"
        r"redis|mongo)\b.*\b(?:internet|world|public)\b",
        "Databases are not exposed to the Internet.",
    ),
)
_HARMFUL = (
    *_HARMFUL,
    (
        r"\b(?:allow|accept|permit|let in) (?:anything|everything|anyone|everyone|all)\b(?! only)",
        "Traffic is let in port by port, from networks that are named.",
    ),
    (
        r"\b(?:tag|set|put|write|copy|store)\b.*\b(?:passwords?|private keys?|id_(?:rsa|ed25519)\b(?!\.pub)|\.ssh/(?!\w+\.pub)|secrets?|"
        r"credentials?)\b",
        "Secrets are not written into tags or files.",
    ),
    (r"\b(?:22|3389|ssh|rdp)\b.*\bfrom \*", "Administration ports are not opened to the Internet."),
)
_RUN_TIME = (
    r"^(?:please )?\b(?:restart|reboot|power[- ]?(?:off|on|cycle)|redeploy|start|stop(?! letting| allowing)|shut ?down|deallocate|"
    r"hibernate|"
    r"reimage|run (?:a )?(?:command|script))\b(?!.*\b(?:using|being|spot|paying|diag\w*|logging)\b)|\b(?:restart|reboot|"
    r"power[- ]cycle|deallocate)\b|"
    r"\b(?:how (?:much|many|long|is|are|busy|full)|what(?:'s| is| are|s)|which|who|when|why|where|is|are|does|did|has|"
    r"have)\b.*\?\s*$|\b(?:show|list|display|tell|give|get|fetch|graph|plot|tail)\b(?: me| us)?\b.*\b(?:cpu|metrics?|usage|"
    r"(?<![\w-])logs?(?![\w-])(?! dis)|utili[sz]ation|load(?![ -]?b)|health|status|costs?|bill|memory usage|uptime|traffic|"
    r"alerts?)\b|"
    r"^(?:how|what|who|why|when|where|which)\b|\bssh into\b|\blog ?in(?:to)? \b|^(?:please )?(?:install|patch)\b|\bapt-get\b|\byum\b"
)
_FOREIGN = (
    r"\b(?:aws|ec2|s3|amazon|lambda|gcp|google cloud|gke|gce|bigquery|kubernetes|k8s|pods?|helm|aks|eks|openstack|digital "
    r"?ocean|hetzner|cloudflare|docker|ansible|jenkins|github|gitlab|route ?53|dynamodb|rds|fargate|vsphere|vmware|oracle "
    r"cloud|alibaba|heroku|vercel|netlify|linode|salesforce|slack|jira)\b|"
    r"\b(?:write|compose|tell|sing|draw|paint|translate|recite)\b.{0,20}\b(?:poem|joke|song|story|haiku|limerick|essay|"
    r"email|letter|picture|rap|novel)\b|\bweather\b|\b(?:order|book|buy|cook|bake)\b.{0,20}\b(?:pizza|flight|hotel|coffee|"
    r"lunch|table|cake|beer|sandwich|dinner|tickets?)\b|"
    r"\bsandwich\b|\bcapital of\b|\bmeaning of life\b|\bplay (?:music|chess)\b|\bstock price\b|\bfootball\b|\brecipe for\b|"
    r"\bprime numbers?\b|\bpython (?:script|code)\b|\bfibonacci\b|\bhoroscope\b|\bhomework\b|\bvacation\b|\bt[23]\.(?:nano|"
    r"micro|small|medium|large|xlarge)\b|\bm5\.\w+\b"
)
_PURPOSE = re.compile(
    r"(?P<what>\b(?:vms?|machines?|servers?|box|disks?|ssd|hdd)\b.*?)\b(?:called|named|for)\s+(?:the |our |my )?[\w-]+", re.IGNORECASE
)
_VAGUE = (
    r"\b(?:faster|quicker|speed(?:ier)?(?: \w+)? up|performance|perform better|optimi[sz]e|improve|better|more secure|"
    r"secure (?:it|this|everything|my|our|the)|harden|cheaper|save (?:some )?money|reduce (?:the )?costs?|cut (?:the "
    r")?costs?|cost less|more reliable|highly available|more robust|clean (?:up|this)|tidy|modern(?:i[sz]e|er)?|fix (?:it|"
    r"this|everything|the)|"
    r"slow|sluggish|overloaded|more resilient|production[- ]ready|ready for (?:black friday|production|launch)|handle more|"
    r"more (?:disk|storage|space|memory|cpu|capacity)\s*$|^(?:scale|resize|update|change|modify|upgrade) (?:it|this|that|them|the "
    r"(?:vms?|scale ?sets?|servers?|machines?))\s*$|"
    r"more power(?:ful)?|too expensive|expensive|struggl\w+|best practices?|scalable|sort (?:it|this) out|do something|make "
    r"it (?:work|nice|good)|upgrade everything|beef(?:ier)? up the (?:setup|stack)|future[- ]proof)\b"
)
_CONDITION = (
    r"\b(?:if|unless|until|whenever|as soon as|once|when)\b (?!.*\bevict)|\b(?:tomorrow|tonight|next (?:week|month)|at "
    r"\d{1,2}(?::\d\d)? ?(?:am|pm|o'clock)|every (?:night|day|morning|hour|evening)|on (?:mondays?|weekends?|fridays?)|at "
    r"(?:night|midnight)|during the (?:night|week))\b"
)


def harmful(request: str) -> Refusal | None:
    """A Refusal for a request that must not be done, however it is worded."""
    text = " ".join(request.replace("’", "'").split())
    return next((Refusal(reason, final=True) for pattern, reason in _HARMFUL if re.search(pattern, text, re.IGNORECASE)), None)


def refused(request: str, names: Iterable[str] = (), *, operations: bool = False) -> Refusal | None:
    """A Refusal for a request that must not, or cannot, be turned into edits. `names` are words that name something here: `gitlab`.

    With `operations` it is to be carried out on what runs: only what is harmful or foreign is refused.
    """
    text = " ".join(request.replace("’", "'").split())
    harm = harmful(text)
    if harm is not None:
        return harm
    strange = _PURPOSE.sub(r"\g<what> ", text)
    for name in names:
        strange = strange.replace(name, " ")
    if re.search(_FOREIGN, strange, re.IGNORECASE):
        return Refusal("That is outside what I do: changes of Azure infrastructure kept in Terraform.", final=True)
    if operations:
        return None
    changes = re.search(
        r"\b(?:turn|switch|enable|disable|add|remove|set|make|resize|tag|open|close)\b.*\b(?:boot diag\w*|logging|tag|size|port)\b",
        text,
        re.IGNORECASE,
    )
    if re.search(_RUN_TIME, text, re.IGNORECASE) and not (changes or re.search(r"\bevict", text, re.IGNORECASE)):
        return Refusal(
            "That is an operation or a question about run time, not a change of the configuration. Nothing here would be edited. "
            "`iacagent apply` carries out operations, `iacagent ask` answers questions.",
            final=True,
        )
    if re.search(r"\b(?:disable|remove|stop|turn off|drop|delete|change)\b.*\bauto[\s-]?scal", text, re.IGNORECASE):
        return Refusal("I write new autoscale settings. Change azurerm_monitor_autoscale_setting by hand, or configure a model.")
    return None


_FORBIDS = re.compile(
    r"(?:please\s+|also\s+|and\s+|but\s+|you\s+)?(?:(?:do|must|should|may|can|shall)(?:\s+not|n'?t)|never|under\s+no\s+circumstances|"
    r"on\s+no\s+account|no\s+need\s+to)\s+(?:\w+ly\s+|ever\s+)?(?!touch\b|forget\b|worry\b)(?P<verb>[a-z]+)\b",
    re.IGNORECASE,
)
_NEEDS_NOT = re.compile(r"\b(?:needs?|wants?)\s+(?:not|no)\s+\d", re.IGNORECASE)


def forbidding(wishes: Sequence[Wish]) -> Answer | None:
    """A Refusal or a Question for a request that says what must not be done, which is no change; None for every other."""
    forbidden = [w for w in wishes if _FORBIDS.match(w.text) or _NEEDS_NOT.search(w.text)]
    if not forbidden:
        return None
    if len(forbidden) == len(wishes):
        return Refusal("That says what should not be done, so nothing is changed. Say what should.")
    return Question(f"{forbidden[0].text!r} says what should not be done. Ask for the rest alone, if that is what you mean.", {})


def unclear(request: str) -> Answer | None:
    """A Question for a request that says a direction but no change."""
    if re.search(_VAGUE, request, re.IGNORECASE):
        return Question(
            "Better in which way? Name the change: another size (`resize db to Standard_E8s_v5`), a bigger disk, spot machines, "
            "more instances, a tag, a port.",
            {},
        )
    if re.search(_CONDITION, request, re.IGNORECASE):
        return Question("I change the configuration now; I cannot wait for a time or a condition. What should be changed now?", {})
    return None
