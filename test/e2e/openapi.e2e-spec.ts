import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { PROBLEM_CONTENT_TYPE, PROBLEMS } from '../../src/problems/problem.js';
import { KaskProcess } from '../harness/kask.js';
import { exchange, type RawAnswer, type RawRequest } from '../harness/raw-http.js';

jest.setTimeout(60_000);

const SOURCE = readFileSync(path.resolve(__dirname, '../../openapi/kask.yaml'), 'utf8');
const BASE = '/sessions/v1/';
const KEY_PATH = `${BASE}{key}`;
/** Where the document tells of methods that a path does not have. */
const OTHER_METHODS = 'x-other-methods';
const METHODS = ['get', 'head', 'post', 'put', 'delete', 'options', 'patch', 'trace'];

/** Of every answer: of the connection, or said elsewhere in the document. */
const UNDOCUMENTED_HEADERS = ['content-type', 'content-length', 'date', 'connection', 'keep-alive'];

/** Not to be had from a service in a test; their documents are compared with the table of problems. */
const NOT_PRODUCED = ['408', '500', '504'];

type Schema = Record<string, unknown>;

interface DocumentedResponse {
  headers: Record<string, { required: boolean; schema: Schema }>;
  content?: Record<string, { schema: Schema }>;
}

/** Operation, as in `GET /healthz`, status, and what is answered then. */
type Documented = [operation: string, status: string, response: DocumentedResponse];

interface Operation {
  responses: Record<string, DocumentedResponse>;
  'x-monitor'?: boolean;
  'x-amples'?: Example[];
}

interface Example {
  request: { params: Record<string, string>; headers?: Record<string, string>; body?: string };
  response: { status: number; headers?: Record<string, string>; body?: Record<string, string> };
}

interface OpenapiDocument {
  openapi: string;
  info: { version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
}

interface Case extends RawRequest {
  /** Of the document. */
  path: string;
  method: string;
  status: number;
  /** Of a service whose storage does not answer. */
  away?: boolean;
  /** Of a service that wants to know who speaks. */
  guarded?: boolean;
  /** At the management port of a service that has one. */
  managed?: boolean;
  /** A value that is there before. */
  stored?: string;
}

const LARGE = 10_000;
const NEIGHBOUR = { 'X-Forwarded-Client-Cert': 'URI=spiffe://prod/neighbour' };
const OTHER_MATCHES = { 'If-Match': '"another"' };
const NONE_MATCHES = { 'If-None-Match': '*' };
/** Of a namespace that is atomic. */
const CART = `${BASE}a:cart`;
const OVERFLOW = { 'X-Overflow': 'x'.repeat(17_000) };

// At least one request for each response that is documented, and some of what clients send by mistake.
const CASES: Case[] = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method): Case[] => [
    { path: KEY_PATH, method, target: `${BASE}a?b=c`, body: 'x', status: 400 },
    { path: KEY_PATH, method, target: `${BASE}%zz`, body: 'x', status: 400 },
    { path: KEY_PATH, method, target: `${BASE}a/b`, body: 'x', status: 404 },
    { path: KEY_PATH, method, target: BASE, body: 'x', status: 404 },
    { path: KEY_PATH, method, target: `${BASE}a`, headers: OVERFLOW, status: 431 },
    { path: KEY_PATH, method, target: `${BASE}a`, body: 'x', status: 401, guarded: true },
    { path: KEY_PATH, method, target: `${BASE}a`, body: 'x', headers: NEIGHBOUR, status: 403, guarded: true },
  ]),
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE'].map((method): Case => ({
    path: KEY_PATH,
    method,
    target: `${BASE}a`,
    body: 'x',
    status: 503,
    away: true,
  })),
  ...['GET', 'HEAD'].flatMap((method): Case[] => [
    { path: KEY_PATH, method, target: `${BASE}present`, status: 200, stored: 'x' },
    { path: KEY_PATH, method, target: `${BASE}absent`, status: 404 },
    { path: KEY_PATH, method, target: `${BASE}a`, headers: NONE_MATCHES, status: 304, stored: 'x' },
    { path: KEY_PATH, method, target: `${BASE}a`, headers: OTHER_MATCHES, status: 412, stored: 'x' },
    { path: KEY_PATH, method, target: `${BASE}a`, headers: { 'If-Match': 'x' }, status: 400, stored: 'x' },
  ]),
  ...['POST', 'PUT'].flatMap((method): Case[] => [
    { path: KEY_PATH, method, target: `${BASE}written`, body: 'x', status: 201 },
    { path: KEY_PATH, method, target: `${BASE}written`, body: '', status: 400 },
    { path: KEY_PATH, method, target: `${BASE}a:lock`, body: 'x', status: 429, stored: 'x'.repeat(100) },
  ]),
  ...['POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method): Case[] =>
    [
      { path: KEY_PATH, method, target: `${BASE}a`, headers: OTHER_MATCHES, status: 400 },
      { path: KEY_PATH, method, target: CART, headers: OTHER_MATCHES, status: 412, stored: 'x' },
    ].map((each) => (method === 'PATCH' ? each : { ...each, body: 'x' })),
  ),
  { path: KEY_PATH, method: 'PUT', target: CART, headers: NONE_MATCHES, body: 'x', status: 412, stored: 'x' },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}present`, status: 204, stored: 'x' },
  { path: KEY_PATH, method: 'PATCH', target: CART, status: 204, stored: 'x' },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}absent`, status: 404 },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}a`, body: 'x', status: 415 },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}a`, headers: { 'Kask-TTL': 'ever' }, status: 400 },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}a:lock`, status: 429, stored: 'x'.repeat(100) },
  { path: KEY_PATH, method: 'PATCH', target: `${BASE}a`, status: 503, away: true },
  ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method): Case => ({
    path: KEY_PATH,
    method,
    target: `${BASE}a`,
    body: 'x'.repeat(LARGE),
    status: 413,
  })),
  { path: KEY_PATH, method: 'DELETE', target: `${BASE}absent`, status: 204 },
  ...['OPTIONS', 'TRACE', 'PURGE'].map((method): Case => ({
    path: KEY_PATH,
    method,
    target: `${BASE}a`,
    status: 405,
  })),
  ...['/healthz', '/healthz/live', '/healthz/ready', '/metrics', '/openapi'].flatMap((target): Case[] => [
    { path: target, method: 'GET', target, status: 200 },
    { path: target, method: 'GET', target, headers: { 'Content-Length': 'none' }, status: 400 },
    { path: target, method: 'GET', target, headers: OVERFLOW, status: 431 },
    { path: target, method: 'POST', target, body: 'x', status: 405 },
    { path: target, method: 'GET', target, status: target === '/healthz/ready' ? 503 : 200, away: true },
  ]),
  { path: '/top', method: 'GET', target: '/top', status: 200, managed: true },
  {
    path: '/top',
    method: 'GET',
    target: '/top',
    headers: { 'Content-Length': 'none' },
    status: 400,
    managed: true,
  },
  { path: '/top', method: 'GET', target: '/top', headers: OVERFLOW, status: 431, managed: true },
  { path: '/top', method: 'POST', target: '/top', body: 'x', status: 405, managed: true },
  { path: '/metrics', method: 'GET', target: '/metrics', status: 401, guarded: true },
  { path: '/metrics', method: 'GET', target: '/metrics', headers: NEIGHBOUR, status: 403, guarded: true },
];

let kask: KaskProcess;
let guarded: KaskProcess;
let managed: KaskProcess;
let away: KaskProcess;
let source: string;
let document: OpenapiDocument;

beforeAll(async () => {
  const namespaces = {
    locks: { keys: ['*:lock'], write_bytes_per_second: 1 },
    carts: { keys: ['*:cart'], atomic: true },
  };
  const embedded = { storage: 'embedded', max_value_bytes: LARGE - 1, log_level: 'debug', namespaces };
  kask = await KaskProcess.start(embedded);
  const management = { listen_address: '127.0.0.1', listen_port: 0 };
  managed = await KaskProcess.start({ ...embedded, management });
  for (const body of ['a', 'b']) await fetch(managed.url('session'), { method: 'PUT', body });
  away = await KaskProcess.start({
    // Port 1 of this machine refuses connections.
    cassandra: { hosts: ['127.0.0.1'], port: 1, local_dc: 'dc1', connect_timeout_ms: 500 },
  });
  guarded = await KaskProcess.start({
    storage: 'embedded',
    authorization: { clients: { 'mediawiki.example': { may: ['read'] } } },
  });
  source = (await exchange(kask.origin, { target: '/openapi' })).body.toString();
  document = resolved(parse(source)) as OpenapiDocument;
});
afterAll(async () => {
  await kask?.stop();
  await managed?.stop();
  await away?.stop();
  await guarded?.stop();
});

describe('the document', () => {
  it('is served as it is, with the base URI put in', async () => {
    const { status, headers } = await exchange(kask.origin, { target: '/openapi' });
    expect([status, headers['content-type']]).toEqual([200, 'application/x-yaml']);
    expect(source).toBe(SOURCE.replaceAll('{{- .BaseURI -}}', BASE));
    expect(source).not.toMatch(/\{\{|\}\}/);
  });

  it('names the version that runs, and the service that serves it', async () => {
    const health = await exchange(kask.origin, { target: '/healthz' });
    expect(document.info.version).toBe((JSON.parse(health.body.toString()) as { version: string }).version);
    expect(document.servers).toEqual([{ url: '/' }]);
    expect(document.openapi).toMatch(/^3\.0\.\d$/);
  });

  it('has every route that the framework has mapped, those of the hot route, and no other', async () => {
    const mapped = managed.logs().flatMap(({ msg }) => {
      const [, route, method] = /^Mapped \{(.*), (\w+)\} route/.exec(msg) ?? [];
      return route && method ? [`${method} ${route}`] : [];
    });
    const { headers } = await exchange(kask.origin, { method: 'OPTIONS', target: `${BASE}key` });
    const hot = (headers.allow as string).split(', ').map((method) => `${method} ${KEY_PATH}`);
    expect([...mapped, ...hot].sort()).toEqual(
      allOperations()
        .map(([name]) => name)
        .sort(),
    );
  });

  it('has each problem of the table, with its status, type and title, and no other', () => {
    const problems = documentedResponses().filter(([, , { content }]) => content?.[PROBLEM_CONTENT_TYPE]);
    const documented = problems.flatMap(([, status, response]) =>
      problemsOf(response).map((problem) => ({ status, ...problem })),
    );
    const table = Object.entries(PROBLEMS).map(([name, { status, title }]) => ({
      status: String(status),
      name,
      title,
    }));
    expect(unique(documented)).toEqual(unique(table));
  });

  it('tells that any operation may meet what any request may meet', () => {
    for (const [, operation] of allOperations()) {
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['400', '408', '431', '500']));
    }
    for (const method of ['get', 'head', 'post', 'put', 'patch', 'delete']) {
      const { responses } = document.paths[KEY_PATH]?.[method] as Operation;
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['503', '504']));
      expect(Object.keys(responses['503']?.headers ?? {})).toContain('Retry-After');
    }
  });
});

describe('the service', () => {
  it.each(CASES)('answers $method $path with $status as documented', async (request) => {
    const answer = await perform(request);
    expect(answer.status).toBe(request.status);
    const response = documentedResponse(request);
    if (!response) throw new Error(`${request.method} ${request.path} ${request.status} is not documented`);
    expectHeaders(answer, response);
    expectBody(answer, request.method, response);
  });

  it('has shown every response that is documented', () => {
    const shown = new Set(
      CASES.map(({ method, path: route, status }) => `${operationOf(method, route)} ${status}`),
    );
    const documented = documentedResponses()
      .filter(([, status]) => !NOT_PRODUCED.includes(status))
      .map(([operation, status]) => `${operation} ${status}`);
    expect(unique(documented)).toEqual(unique([...shown]));
  });

  it('answers HEAD wherever it answers GET', async () => {
    for (const [route] of Object.entries(document.paths).filter(([, item]) => item.get)) {
      const target = route.replace('{key}', 'absent');
      const got = await exchange(kask.origin, { target });
      const looked = await exchange(kask.origin, { method: 'HEAD', target });
      const names = ({ headers }: RawAnswer) => Object.keys(headers).sort();
      expect([route, looked.status, names(looked)]).toEqual([route, got.status, names(got)]);
      expect(looked.body).toHaveLength(0);
    }
  });

  it.each(['/', '/nothing', '/healthz/nothing', '/sessions/v1'])('has nothing at %s', async (target) => {
    expect((await exchange(kask.origin, { target })).status).toBe(404);
  });
});

// What service-checker does: all at once, against a store that may be empty.
describe('the examples', () => {
  it('of sessions hold, in any order, and on an empty store', async () => {
    const empty = await KaskProcess.start({ storage: 'embedded' });
    const examples = ['get', 'post', 'get'].flatMap((method) => {
      const { 'x-amples': list, 'x-monitor': monitored } = document.paths[KEY_PATH]?.[method] as Operation;
      expect(monitored).toBe(true);
      return (list ?? []).map((example) => ({ method, ...example }));
    });
    expect(examples).toHaveLength(3);
    for (const { method, request, response } of examples) {
      const target = KEY_PATH.replace('{key}', encodeURIComponent(request.params.key ?? ''));
      const { headers, body } = request;
      const answer = await exchange(empty.origin, { method: method.toUpperCase(), target, headers, body });
      expect(answer.status).toBe(response.status);
      expect(answer.headers).toMatchObject(response.headers ?? {});
      if (response.body) expect(JSON.parse(answer.body.toString())).toMatchObject(response.body);
    }
    await empty.stop();
  });

  it('are of keys that are told apart from those of users, each of its own', () => {
    const keys = ['get', 'post'].map(
      (method) => document.paths[KEY_PATH]?.[method]?.['x-amples']?.[0]?.request.params.key,
    );
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^kask:openapi:/);
  });

  it('are asked for nowhere else, where service-checker would expect 200', () => {
    for (const [route, { get }] of Object.entries(document.paths)) {
      if (get && route !== KEY_PATH) expect([route, get['x-monitor']]).toEqual([route, false]);
    }
  });
});

describe('openapi_spec', () => {
  it('is a file that is served instead, with the base URI put in', async () => {
    const template = 'paths:\n  "{{- .BaseURI -}}{key}":\n    get: {}\n  "{{.BaseURI}}other": {}\n';
    const served = await serve(template);
    expect(served).toBe('paths:\n  "/v9/{key}":\n    get: {}\n  "/v9/other": {}\n');
  });

  it('that is missing is warned about, and our own is served', async () => {
    const own = await KaskProcess.start({ storage: 'embedded', openapi_spec: '/nowhere/openapi.yaml' });
    const warnings = own.logs().filter(({ level }) => level === 'WARNING');
    expect(warnings.map(({ msg }) => msg)).toEqual([expect.stringContaining('/nowhere/openapi.yaml')]);
    expect((await exchange(own.origin, { target: '/openapi' })).body.toString()).toBe(source);
    await own.stop();
  });

  async function serve(template: string): Promise<string> {
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-openapi-'));
    const file = path.join(directory, 'openapi.yaml');
    writeFileSync(file, template);
    const own = await KaskProcess.start({ storage: 'embedded', base_uri: 'v9', openapi_spec: file });
    const { headers, body } = await exchange(own.origin, { target: '/openapi' });
    expect(headers['content-type']).toBe('application/x-yaml');
    await own.stop();
    rmSync(directory, { recursive: true });
    return body.toString();
  }
});

describe('docs/problems.md', () => {
  it('has each problem of the table, with its status, type and title, and no other', () => {
    const text = readFileSync(path.resolve(__dirname, '../../docs/problems.md'), 'utf8');
    const rows = text.split('\n').filter((line) => /^\| \d/.test(line));
    const cells = rows.map((row) => row.split('|').map((cell) => cell.trim()));
    const documented = cells.map(([, status, type, title]) => [status, type, title]);
    const table = Object.entries(PROBLEMS).map(([name, { status, title }]) => [
      String(status),
      `\`${name}\``,
      title,
    ]);
    expect(documented).toEqual(table);
    for (const [, , , , when, advice] of cells) expect([when, advice]).not.toContain('');
  });

  it('shows a document as it is', async () => {
    const text = readFileSync(path.resolve(__dirname, '../../docs/problems.md'), 'utf8');
    const [, example = ''] = /```json\n(.*?)```/s.exec(text) ?? [];
    const { instance } = JSON.parse(example) as { instance: string };
    expect(JSON.parse((await exchange(kask.origin, { target: instance })).body.toString())).toEqual(
      JSON.parse(example),
    );
  });
});

async function perform({
  away: isAway,
  guarded: isGuarded,
  managed: isManaged,
  stored,
  ...request
}: Case): Promise<RawAnswer> {
  const service = isAway ? away : isGuarded ? guarded : kask;
  const origin = isManaged ? managed.management : service.origin;
  if (stored !== undefined) await exchange(origin, { method: 'PUT', target: request.target, body: stored });
  return exchange(origin, request);
}

/** `GET /healthz`, of the document; whatever a path does not have is in its `x-other-methods`. */
function operationOf(method: string, route: string): string {
  return document.paths[route]?.[method.toLowerCase()] ? `${method.toUpperCase()} ${route}` : OTHER_METHODS;
}

function allOperations(): [string, Operation][] {
  return Object.entries(document.paths).flatMap(([route, item]) =>
    METHODS.flatMap((method): [string, Operation][] => {
      const operation = item[method];
      return operation ? [[`${method.toUpperCase()} ${route}`, operation]] : [];
    }),
  );
}

function documentedResponses(): Documented[] {
  const others = document.paths[OTHER_METHODS] as unknown as Operation;
  return [...allOperations(), [OTHER_METHODS, others] as const].flatMap(([name, { responses }]) =>
    Object.entries(responses).map(([status, response]): Documented => [name, status, response]),
  );
}

function documentedResponse({ method, path: route, status }: Case): DocumentedResponse | undefined {
  const name = operationOf(method, route);
  return documentedResponses().find(([each, code]) => each === name && code === String(status))?.[2];
}

function expectHeaders(answer: RawAnswer, { headers }: DocumentedResponse): void {
  const documented = Object.entries(headers).map(([name, header]) => [name.toLowerCase(), header] as const);
  const shown = Object.keys(answer.headers).filter((name) => !UNDOCUMENTED_HEADERS.includes(name));
  expect(unique(shown)).toEqual(unique(documented.map(([name]) => name)));
  for (const [name, { required, schema }] of documented) {
    expect(required).toBe(true);
    expect(mismatches(schema, answer.headers[name], name)).toEqual([]);
  }
}

function expectBody({ headers, body }: RawAnswer, method: string, { content }: DocumentedResponse): void {
  const mediaType = headers['content-type']?.split(';')[0];
  expect(mediaType === undefined ? [] : [mediaType]).toEqual(Object.keys(content ?? {}));
  if (method === 'HEAD' || mediaType === undefined) return expect(body).toHaveLength(0);
  const text = body.toString();
  const found: unknown = mediaType.endsWith('json') ? JSON.parse(text) : text;
  expect(mismatches(content?.[mediaType]?.schema ?? {}, found, mediaType)).toEqual([]);
}

/** The names and titles that a problem's response narrows the general schema to. */
function problemsOf({ content }: Pick<DocumentedResponse, 'content'>): { name: string; title: string }[] {
  const [, narrowed] = content?.[PROBLEM_CONTENT_TYPE]?.schema.allOf as {
    properties: Record<string, Schema>;
  }[];
  const each = (property: string) => narrowed?.properties[property]?.enum as string[];
  return each('type').map((type, i) => ({
    name: type.replace('https://www.mediawiki.org/wiki/Kask/errors/', ''),
    title: each('title')[i] as string,
  }));
}

/** What of a value does not fit a schema, of the few keywords that our document uses; it may use no other. */
function mismatches(schema: Schema, value: unknown, at: string): string[] {
  return Object.entries(schema).flatMap(([keyword, expected]) => {
    const check = KEYWORDS[keyword];
    if (!check) throw new Error(`the schema keyword ${keyword} is not checked`);
    return check(expected as never, value, at, schema);
  });
}

type Check = (expected: never, value: unknown, at: string, schema: Schema) => string[];

const KEYWORDS: Record<string, Check> = {
  description: () => [],
  format: () => [],
  allOf: (all: Schema[], value, at) => all.flatMap((schema) => mismatches(schema, value, at)),
  type: (type: string, value, at) =>
    (type === 'array' ? Array.isArray(value) : typeof value === type) && value !== null
      ? []
      : [`${at} is no ${type}: ${JSON.stringify(value)}`],
  enum: (values: unknown[], value, at) =>
    values.includes(value) ? [] : [`${at} is ${JSON.stringify(value)}`],
  pattern: (pattern: string, value, at) =>
    new RegExp(pattern).test(String(value)) ? [] : [`${at} is ${JSON.stringify(value)}`],
  minLength: (length: number, value, at) => (String(value).length >= length ? [] : [`${at} is too short`]),
  items: (items: Schema, value, at) => (value as unknown[]).flatMap((item) => mismatches(items, item, at)),
  required: (names: string[], value, at) =>
    names.filter((name) => !(name in (value as object))).map((name) => `${at} has no ${name}`),
  properties: (properties: Record<string, Schema>, value, at) =>
    Object.entries(properties).flatMap(([name, schema]) => {
      const found = (value as Record<string, unknown>)[name];
      return found === undefined ? [] : mismatches(schema, found, `${at}.${name}`);
    }),
  additionalProperties: (allowed: false | Schema, value, at, { properties = {} }) =>
    Object.entries(value as object)
      .filter(([name]) => !(name in (properties as object)))
      .flatMap(([name, found]) =>
        allowed === false ? [`${at} has ${name}`] : mismatches(allowed, found, `${at}.${name}`),
      ),
};

/** The document with what its references point to in their place. */
function resolved(root: unknown): unknown {
  const at = (pointer: string): unknown =>
    pointer
      .split('/')
      .slice(1)
      .reduce((node, name) => (node as Record<string, unknown>)[name], root);
  const walk = (node: unknown): unknown => {
    if (typeof node !== 'object' || node === null) return node;
    if (Array.isArray(node)) return node.map(walk);
    if ('$ref' in node) return walk(at(node.$ref as string));
    return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, walk(value)]));
  };
  return walk(root);
}

function unique(items: unknown[]): string[] {
  return [...new Set(items.map((item) => JSON.stringify(item)))].sort();
}
