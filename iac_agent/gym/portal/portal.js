// The portal's pages. Each is a function that returns elements; `arm` is the only way to the cloud.

const API = "2025-01-01";
const page = document.getElementById("page");
const notice = document.getElementById("notice");
const user = document.getElementById("user");
const tokens = new Map();
let account;
let arriving = "";  // what to say on the page that is opened next

// --- ARM ----------------------------------------------------------------------------------------------------------

async function token() {
  if (!tokens.has(user.value)) {
    const answer = await fetch(`/portal/token?user=${encodeURIComponent(user.value)}`);
    tokens.set(user.value, (await answer.json()).access_token);
  }
  return tokens.get(user.value);
}

async function arm(method, path, body) {
  const url = `${path}${path.includes("?") ? "&" : "?"}api-version=${API}`;
  const headers = { authorization: `Bearer ${await token()}`, "content-type": "application/json" };
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  const told = text ? JSON.parse(text) : {};
  if (!answer.ok) {
    if (answer.status === 401) tokens.clear();
    throw new Error(`${told.error?.code ?? answer.status}: ${told.error?.message ?? text}`);
  }
  return told;
}

async function all(path) {
  const found = [];
  for (let next = path; next;) {
    const answer = await arm("GET", next);
    found.push(...answer.value);
    const url = answer.nextLink && new URL(answer.nextLink);
    if (url) url.searchParams.delete("api-version");
    next = url ? url.pathname + url.search : "";
  }
  return found;
}

const subscription = () => `/subscriptions/${account.subscription}`;
const groups = () => all(`${subscription()}/resourceGroups`);

// --- small parts --------------------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return made;
}

function say(text, bad = false) {
  notice.textContent = text;
  notice.className = bad ? "bad" : "";
}

function go(hash, text) {
  arriving = text;
  location.hash = hash;
}

function button(label, work, kind = "") {
  const run = async (event) => {
    event.target.disabled = true;
    try {
      await work();
    } catch (problem) {
      say(problem.message, true);
    }
    event.target.disabled = false;
  };
  return el("button", { type: "button", class: kind, onclick: run }, label);
}

function choice(options, value, label) {
  return el("select", { "aria-label": label }, options.map((o) => el("option", { value: o, selected: o === value }, o)));
}

function field(label, value = "") {
  return el("input", { "aria-label": label, value: value ?? "" });
}

function table(headings, rows) {
  const head = el("tr", {}, headings.map((h) => el("th", {}, h)));
  const body = rows.map((cells) => el("tr", {}, cells.map((c) => el("td", {}, c))));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

const groupOf = (id) => id.split("/")[4] ?? "";
const linkTo = (id, text) => el("a", { href: `#${id}` }, text);

// --- all resources ------------------------------------------------------------------------------------------------

async function resourcesPage() {
  const found = [...await groups(), ...await all(`${subscription()}/resources`)];
  const search = el("input", { type: "search", placeholder: "Filter by name, type, group or tag", "aria-label": "Filter" });
  const listed = table(["Name", "Type", "Resource group", "Location", "Tags"], found.map((r) => [
    linkTo(r.id, r.name), r.type, groupOf(r.id), r.location ?? "",
    Object.entries(r.tags ?? {}).map(([k, v]) => `${k}=${v}`).join(", "),
  ]));
  search.addEventListener("input", () => {
    for (const row of listed.querySelectorAll("tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(search.value.toLowerCase());
  });
  return [el("h1", {}, `All resources (${found.length})`), el("div", { class: "bar" }, search), listed];
}

// --- one resource -------------------------------------------------------------------------------------------------

async function resourcePage(id) {
  const resource = await arm("GET", id);
  const facts = { Type: resource.type, "Resource group": groupOf(id), Location: resource.location ?? "", Id: resource.id };
  const parts = [
    el("h1", {}, resource.name),
    el("dl", {}, Object.entries(facts).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)])),
    el("div", { class: "bar" }, await machineButtons(resource), button("Delete", () => remove(resource), "danger")),
  ];
  if (resource.tags) parts.push(...tagEditor(resource));
  if (/networkSecurityGroups$/i.test(resource.type)) parts.push(...ruleEditor(resource));
  return [...parts, ...jsonEditor(resource)];
}

async function machineButtons(resource) {
  if (!/Microsoft.Compute\/virtualMachines$/i.test(resource.type)) return [];
  const view = await arm("GET", `${resource.id}/instanceView`);
  const power = view.statuses.find((s) => s.code.startsWith("PowerState/"))?.displayStatus ?? "unknown";
  const act = (verb, told) => button(told, async () => {
    await arm("POST", `${resource.id}/${verb}`);
    await show();
    say(`${told}: ${resource.name}`);
  });
  return [el("span", { id: "power" }, power), act("start", "Start"), act("restart", "Restart"), act("deallocate", "Stop")];
}

async function remove(resource) {
  if (!confirm(`Delete ${resource.name}?`)) return;
  await arm("DELETE", resource.id);
  go("#/", `Deleted ${resource.name}.`);
}

async function save(resource, change) {
  const { etag, ...fresh } = await arm("GET", resource.id);
  change(fresh);
  await arm("PUT", resource.id, fresh);
  await show();
  say(`Saved ${resource.name}.`);
}

function tagEditor(resource) {
  const rows = [...Object.entries(resource.tags), ["", ""]].map(([k, v]) => [field("Tag name", k), field("Tag value", v)]);
  const store = async () => {
    const named = rows.map(([k, v]) => [k.value.trim(), v.value]).filter(([k]) => k);
    const path = `${resource.id}/providers/Microsoft.Resources/tags/default`;
    await arm("PUT", path, { properties: { tags: Object.fromEntries(named) } });
    await show();
    say(`Saved the tags of ${resource.name}.`);
  };
  return [el("h2", {}, "Tags"), table(["Name", "Value"], rows), el("div", { class: "bar" }, button("Save tags", store))];
}

function ruleEditor(group) {
  const shown = [...(group.properties.securityRules ?? []), null].map((rule) => ruleRow(group, rule));
  const headings = ["Name", "Priority", "Direction", "Access", "Protocol", "Source", "Port", ""];
  return [el("h2", {}, "Security rules"), table(headings, shown)];
}

function ruleRow(group, rule) {
  const p = rule?.properties ?? { direction: "Inbound", access: "Allow", protocol: "Tcp", sourceAddressPrefix: "*", priority: "" };
  const name = field("Rule name", rule?.name);
  const priority = field("Priority", p.priority);
  const direction = choice(["Inbound", "Outbound"], p.direction, "Direction");
  const access = choice(["Allow", "Deny"], p.access, "Access");
  const protocol = choice(["Tcp", "Udp", "Icmp", "*"], p.protocol, "Protocol");
  const source = field("Source", p.sourceAddressPrefix);
  const port = field("Port", p.destinationPortRange);
  const path = () => `${group.id}/securityRules/${encodeURIComponent(name.value.trim())}`;
  const store = async () => {
    if (!name.value.trim()) throw new Error("A rule needs a name.");
    const held = { sourcePortRange: "*", destinationAddressPrefix: "*", ...rule?.properties };
    for (const [key, input] of Object.entries({ direction, access, protocol })) held[key] = input.value;
    held.priority = Number(priority.value);
    if (source.value) held.sourceAddressPrefix = source.value;
    if (port.value) held.destinationPortRange = port.value;
    await arm("PUT", path(), { name: name.value.trim(), properties: held });
    await show();
    say(`Saved rule ${name.value.trim()}.`);
  };
  const drop = async () => {
    await arm("DELETE", path());
    await show();
    say(`Deleted rule ${name.value}.`);
  };
  if (rule) name.readOnly = true;
  const buttons = el("div", { class: "bar" }, button(rule ? "Save" : "Add rule", store), rule ? button("Delete", drop, "danger") : null);
  return [name, priority, direction, access, protocol, source, port, buttons];
}

function jsonEditor(resource) {
  const text = el("textarea", { "aria-label": "Resource JSON", spellcheck: "false" });
  text.value = JSON.stringify(resource, null, 2);
  const store = () => save(resource, (fresh) => {
    for (const key of Object.keys(fresh)) delete fresh[key];
    const { etag, ...asked } = JSON.parse(text.value);
    Object.assign(fresh, asked);
  });
  return [el("h2", {}, "JSON"), text, el("div", { class: "bar" }, button("Save JSON", store))];
}

// --- create -------------------------------------------------------------------------------------------------------

const KINDS = {
  "Resource group": { type: "", body: {} },
  "Public IP address": {
    type: "Microsoft.Network/publicIPAddresses",
    body: { sku: { name: "Standard" }, properties: { publicIPAllocationMethod: "Static" } },
  },
  Disk: {
    type: "Microsoft.Compute/disks",
    body: { sku: { name: "StandardSSD_LRS" }, properties: { creationData: { createOption: "Empty" }, diskSizeGB: 32 } },
  },
  "Network security group": { type: "Microsoft.Network/networkSecurityGroups", body: { properties: { securityRules: [] } } },
  "Virtual network": {
    type: "Microsoft.Network/virtualNetworks",
    body: { properties: { addressSpace: { addressPrefixes: ["10.50.0.0/16"] } } },
  },
  "Storage account": {
    type: "Microsoft.Storage/storageAccounts",
    body: { kind: "StorageV2", sku: { name: "Standard_LRS" }, properties: { minimumTlsVersion: "TLS1_2", supportsHttpsTrafficOnly: true } },
  },
  "Managed identity": { type: "Microsoft.ManagedIdentity/userAssignedIdentities", body: {} },
};

async function createPage() {
  const held = await groups();
  const kind = choice(Object.keys(KINDS), "Disk", "Type");
  const name = field("Name");
  const group = choice(held.map((g) => g.name), held[0]?.name, "Resource group");
  const place = field("Location", held[0]?.location ?? "westeurope");
  const text = el("textarea", { "aria-label": "Properties", spellcheck: "false" });
  const fill = () => { text.value = JSON.stringify(KINDS[kind.value].body, null, 2); };
  kind.addEventListener("change", fill);
  fill();
  const make = async () => {
    if (!name.value.trim()) throw new Error("A resource needs a name.");
    const type = KINDS[kind.value].type;
    const base = `${subscription()}/resourceGroups/`;
    const id = type ? `${base}${group.value}/providers/${type}/${name.value.trim()}` : `${base}${name.value.trim()}`;
    const made = await arm("PUT", id, { location: place.value, ...JSON.parse(text.value) });
    go(`#${made.id}`, `Created ${made.name}.`);
  };
  const rows = [["Type", kind], ["Name", name], ["Resource group", group], ["Location", place], ["Properties", text]];
  return [el("h1", {}, "Create a resource"), table(["", ""], rows), el("div", { class: "bar" }, button("Create", make))];
}

// --- activity log -------------------------------------------------------------------------------------------------

async function activityPage() {
  const start = new Date(Date.now() - 24 * 3600 * 1000).toISOString();
  const filter = encodeURIComponent(`eventTimestamp ge '${start}'`);
  const events = await all(`${subscription()}/providers/Microsoft.Insights/eventtypes/management/values?$filter=${filter}`);
  const rows = events.map((e) => [e.eventTimestamp.slice(0, 19).replace("T", " "), e.operationName.value, e.status.value, e.caller,
    linkTo(e.resourceId, e.resourceId.split("/").pop())]);
  return [el("h1", {}, "Activity log, the last day"), table(["Time (UTC)", "Operation", "Status", "Caller", "Resource"], rows)];
}

// --- where we are -------------------------------------------------------------------------------------------------

async function show() {
  const place = decodeURIComponent(location.hash.slice(1)) || "/";
  const pages = { "/": resourcesPage, "/create": createPage, "/activity": activityPage };
  try {
    page.replaceChildren(...await (pages[place] ?? (() => resourcePage(place)))());
  } catch (problem) {
    page.replaceChildren(el("h1", {}, "This cannot be shown"));
    say(problem.message, true);
  }
}

account = await (await fetch("/portal/users")).json();
user.append(...account.users.map((u) => el("option", { value: u }, u)));
window.addEventListener("hashchange", () => {
  say(arriving);
  arriving = "";
  show();
});
user.addEventListener("change", show);
await show();
