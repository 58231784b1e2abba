// Of the page at /docs: whatever comes from elsewhere is put in as text, never as markup. Nothing is kept when the page
// goes: a key is a credential.

/** Shown of a value, at most, in bytes or characters: browsers are slow to lay out megabytes of text. */
const MOST_SHOWN = 65_536;
const GIVE_UP_AFTER_MS = 10_000;
const ASK_STATE_EVERY_MS = 5_000;

/** In seconds. @type {[unit: string, length: number][]} */
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** What is shown of an answer beside its value or problem. */
const HEADERS = [
  'etag',
  'kask-ttl',
  'retry-after',
  'allow',
  'content-type',
  'content-length',
  'cache-control',
];

const form = /** @type {HTMLFormElement} */ (element('session'));
const baseUri = document.body.dataset.baseUri ?? '';

let isAsking = false;
let lastEtag = '';
/** @type {Uint8Array<ArrayBuffer>} */
let bytesRead = new Uint8Array();
/** The same, unless it is no UTF-8. @type {string | undefined} */
let textRead;
let isShownAsHex = false;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  if (!isAsking) void ask(button?.value ?? 'GET');
});
element('use-etag').addEventListener('click', () => {
  input('if-match').value = lastEtag;
  input('if-match').focus();
});
element('switch').addEventListener('click', () => showValue(!isShownAsHex));

void keepAskingState();

/** @param {string} method */
async function ask(method) {
  isAsking = true;
  clearAnswer();
  tell('Asking…');
  const startedAt = performance.now();
  try {
    const response = await fetch(urlOf(input('key').value), requestOf(method));
    const bytes = new Uint8Array(await response.arrayBuffer());
    showAnswer(method, response, bytes, Math.round(performance.now() - startedAt));
  } catch (error) {
    tell(error instanceof Mistake ? error.message : `No answer came: ${messageOf(error)}`, 'bad');
  } finally {
    isAsking = false;
  }
}

/** What the person at the form can put right. */
class Mistake extends Error {}

/** @param {string} key */
function urlOf(key) {
  // RFC 3986 section 5.2.4: browsers take these for steps in the path, even percent-encoded.
  if (key === '.' || key === '..') throw new Mistake('Browsers cannot ask for the keys . and ..; curl can.');
  try {
    return baseUri + encodeURIComponent(key);
  } catch {
    throw new Mistake('The key holds half of a character.');
  }
}

/**
 * @param {string} method
 * @returns {RequestInit}
 */
function requestOf(method) {
  /** @type {Record<string, string>} */
  const headers = {};
  const ttl = input('ttl').value.trim();
  if (ttl !== '' && (method === 'PUT' || method === 'PATCH')) headers['Kask-TTL'] = ttl;
  for (const name of ['If-Match', 'If-None-Match']) {
    const condition = input(name.toLowerCase()).value.trim();
    if (condition !== '') headers[name] = condition;
  }
  return {
    method,
    headers,
    body: method === 'PUT' ? writtenValue() : null,
    cache: 'no-store',
    redirect: 'error',
    referrerPolicy: 'no-referrer',
    signal: AbortSignal.timeout(GIVE_UP_AFTER_MS),
  };
}

function writtenValue() {
  const written = /** @type {HTMLTextAreaElement} */ (element('value')).value;
  if (new FormData(form).get('notation') === 'text') return new TextEncoder().encode(written);
  const digits = written.replace(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits))
    throw new Mistake('The value is not in hexadecimal: pairs of 0-9 and a-f.');
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/**
 * @param {string} method
 * @param {Response} response
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} milliseconds
 */
function showAnswer(method, response, bytes, milliseconds) {
  const { status, ok, headers } = response;
  lastEtag = headers.get('etag') ?? '';
  showHeaders(headers);
  const isProblem = headers.get('content-type') === 'application/problem+json';
  const said = isProblem ? showProblem(bytes) : summaryOf(method, response, bytes);
  if (status === 200) takeValue(bytes);
  tell(`${status} · ${said} · ${milliseconds} ms`, ok || status === 304 ? 'good' : 'bad');
}

/**
 * @param {string} method
 * @param {Response} response
 * @param {Uint8Array} bytes
 */
function summaryOf(method, { status, headers }, bytes) {
  const ttl = headers.get('kask-ttl');
  const expiry =
    ttl === null ? '' : ttl === '0' ? ', never expires' : `, expires in ${durationOf(Number(ttl))}`;
  if (status === 200) return `Read ${sizeOf(bytes.length)}${expiry}`;
  if (status === 201) return 'Stored';
  if (status === 204) return method === 'PATCH' ? `Renewed${expiry}` : 'Deleted';
  return status === 304 ? `Not modified${expiry}` : 'An answer that this page does not know';
}

/**
 * RFC 9457.
 * @param {Uint8Array} bytes
 */
function showProblem(bytes) {
  const problem = problemIn(bytes);
  const { title = 'A problem without a title', detail, ...rest } = problem;
  const list = document.createElement('dl');
  for (const [name, value] of Object.entries(rest)) addTerm(list, name, value);
  element('problem').replaceChildren(made('h3', title), made('p', detail ?? ''), list);
  element('problem').hidden = false;
  return title;
}

/**
 * @param {Uint8Array} bytes
 * @returns {Record<string, string>}
 */
function problemIn(bytes) {
  try {
    const members = Object.entries(JSON.parse(asText(bytes) ?? ''));
    return Object.fromEntries(members.map(([name, value]) => [name, String(value)]));
  } catch {
    return { detail: 'Its document is no JSON.' };
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function takeValue(bytes) {
  bytesRead = bytes;
  textRead = asText(bytes);
  element('shown-title').textContent = textRead === undefined ? 'Value, not UTF-8' : 'Value';
  element('shown-size').textContent = sizeOf(bytes.length);
  element('switch').hidden = textRead === undefined;
  /** @type {HTMLAnchorElement} */ (element('download')).href = URL.createObjectURL(new Blob([bytes]));
  element('shown').hidden = false;
  showValue(textRead === undefined);
}

/** @param {boolean} asHex */
function showValue(asHex) {
  isShownAsHex = asHex;
  const shown = asHex ? hexOf(bytesRead.subarray(0, MOST_SHOWN)) : (textRead ?? '').slice(0, MOST_SHOWN);
  const isCut = bytesRead.length > MOST_SHOWN;
  element('shown-value').textContent = shown + (isCut ? '\n… the download has the rest' : '');
  element('switch').textContent = asHex ? 'Show as text' : 'Show as hex';
}

/** @param {Uint8Array} bytes */
function asText(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Sixteen bytes a line, after the offset of the first.
 * @param {Uint8Array} bytes
 */
function hexOf(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const pairs = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(5, '0')}  ${pairs.join(' ')}`);
  }
  return lines.join('\n');
}

/** @param {Headers} headers */
function showHeaders(headers) {
  for (const name of HEADERS) {
    const value = headers.get(name);
    if (value !== null) addTerm(element('headers'), name, value);
  }
  element('headers').hidden = false;
}

function clearAnswer() {
  const download = /** @type {HTMLAnchorElement} */ (element('download'));
  if (download.href) URL.revokeObjectURL(download.href);
  download.removeAttribute('href');
  bytesRead = new Uint8Array();
  textRead = undefined;
  for (const id of ['shown-value', 'headers', 'problem']) element(id).replaceChildren();
  for (const id of ['shown', 'headers', 'problem']) element(id).hidden = true;
}

/**
 * @param {string} text
 * @param {'good' | 'bad' | ''} how
 */
function tell(text, how = '') {
  element('outcome').textContent = text;
  element('outcome').className = how;
}

/** A page in the background leaves the service alone. */
async function keepAskingState() {
  for (;;) {
    if (!document.hidden) await askState();
    await new Promise((resolve) => setTimeout(resolve, ASK_STATE_EVERY_MS));
  }
}

async function askState() {
  try {
    const response = await fetch('/docs/state', { signal: AbortSignal.timeout(GIVE_UP_AFTER_MS) });
    showState(await response.json());
    element('asked').textContent = `As of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    showReady(false, 'No answer', [messageOf(error)]);
  }
}

/**
 * @typedef {{ name: string, local: boolean, nodes: number, up: number }} Datacenter
 * @param {{ version: string, storage: string, ready: boolean, reasons: string[], datacenters: Datacenter[] }} state
 */
function showState({ version, storage, ready, reasons, datacenters }) {
  showReady(ready, ready ? 'Ready' : 'Not ready', reasons);
  element('version').textContent = version;
  element('storage').textContent = storage === 'cassandra' ? 'Cassandra' : 'Embedded, on this machine';
  const shown = datacenters.map(({ name, local, nodes, up }) =>
    made('div', `${name}: ${up} of ${nodes} nodes up${local ? ', ours' : ''}`),
  );
  element('datacenters').replaceChildren(...(shown.length > 0 ? shown : ['none']));
}

/**
 * What has not changed is left alone, so that nobody has it read out again.
 * @param {boolean} isReady
 * @param {string} text
 * @param {string[]} reasons
 */
function showReady(isReady, text, reasons) {
  const ready = element('ready');
  if (ready.textContent !== text) ready.textContent = text;
  ready.className = isReady ? 'good' : 'bad';
  element('reasons').replaceChildren(...reasons.map((reason) => made('li', reason)));
}

/**
 * @param {HTMLElement} list
 * @param {string} term
 * @param {string} text
 */
function addTerm(list, term, text) {
  list.append(made('dt', term), made('dd', text));
}

/**
 * @param {string} name
 * @param {string} text
 */
function made(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

/** @param {number} bytes */
function sizeOf(bytes) {
  return `${bytes.toLocaleString('en')} ${bytes === 1 ? 'byte' : 'bytes'}`;
}

/**
 * In its two largest units.
 * @param {number} seconds
 */
function durationOf(seconds) {
  const parts = [];
  let rest = seconds;
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (element(id));
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}
