import { parse } from 'yaml';

/** What the page shows of an OpenAPI document. All of it is text that somebody else may have written. */
export interface ApiDescription {
  title: string;
  version: string;
  description: string;
  groups: OperationGroup[];
  /** Header fields that every response has; they are not repeated in each. */
  commonHeaders: string[];
}

export interface OperationGroup {
  name: string;
  description: string;
  operations: Operation[];
}

export interface Operation {
  method: string;
  path: string;
  summary: string;
  description: string;
  tag: string;
  parameters: Parameter[];
  /** Of the request; nothing if it has none. */
  body: string;
  responses: Response[];
}

export interface Parameter {
  name: string;
  place: string;
  isRequired: boolean;
  description: string;
}

export interface Response {
  status: string;
  description: string;
  mediaTypes: string[];
  headers: string[];
}

type Fields = Record<string, unknown>;

/** In the order in which the specification lists them (OpenAPI 3.0.3 section 4.7.9). */
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

/** A reference that leads to a reference, and so on: longer chains are circles. */
const MOST_HOPS = 16;

/** Throws, saying why, if the text is no YAML or describes no operation. */
export function readApiDescription(text: string): ApiDescription {
  const root = fields(parse(text, { prettyErrors: false }));
  const operations = operationsOf(root);
  if (operations.length === 0) throw new Error('it describes no operation');
  const common = commonHeaders(operations);
  for (const response of operations.flatMap(({ responses }) => responses))
    response.headers = response.headers.filter((header) => !common.includes(header));
  const { title, version, description } = fields(root.info);
  return {
    title: textOf(title),
    version: textOf(version),
    description: textOf(description),
    groups: grouped(operations, list(root.tags).map(fields)),
    commonHeaders: common,
  };
}

function operationsOf(root: Fields): Operation[] {
  const paths = Object.entries(fields(root.paths)).filter(([path]) => path.startsWith('/'));
  return paths.flatMap(([path, given]) => {
    const item = resolve(root, given);
    const methods = Object.keys(item).filter((method) => METHODS.includes(method));
    return methods.map((method) => operationOf(root, path, method, item));
  });
}

function operationOf(root: Fields, path: string, method: string, item: Fields): Operation {
  const operation = fields(item[method]);
  const parameters = [...list(item.parameters), ...list(operation.parameters)];
  const body = resolve(root, operation.requestBody);
  return {
    method: method.toUpperCase(),
    path,
    summary: textOf(operation.summary),
    description: textOf(operation.description),
    tag: textOf(list(operation.tags)[0]),
    parameters: parameters.map((parameter) => parameterOf(resolve(root, parameter))),
    body: textOf(body.description),
    responses: Object.entries(fields(operation.responses)).map(([status, response]) =>
      responseOf(status, resolve(root, response)),
    ),
  };
}

function parameterOf({ name, in: place, required, description }: Fields): Parameter {
  return {
    name: textOf(name),
    place: textOf(place),
    isRequired: required === true,
    description: textOf(description),
  };
}

function responseOf(status: string, { description, content, headers }: Fields): Response {
  return {
    status,
    description: textOf(description),
    mediaTypes: Object.keys(fields(content)),
    headers: Object.keys(fields(headers)),
  };
}

/** By their first tag, in the order in which the document lists tags; what it does not list comes last. */
function grouped(operations: Operation[], tags: Fields[]): OperationGroup[] {
  const described = new Map(tags.map(({ name, description }) => [textOf(name), textOf(description)]));
  const names = new Set([...described.keys(), ...operations.map(({ tag }) => tag)]);
  return [...names]
    .map((name) => ({
      name,
      description: described.get(name) ?? '',
      operations: operations.filter(({ tag }) => tag === name),
    }))
    .filter((group) => group.operations.length > 0);
}

function commonHeaders(operations: Operation[]): string[] {
  const [first, ...others] = operations.flatMap(({ responses }) => responses.map(({ headers }) => headers));
  return (first ?? []).filter((header) => others.every((headers) => headers.includes(header)));
}

/** What a node is, or what the reference in it points to in the same document. */
function resolve(root: Fields, given: unknown): Fields {
  let node = fields(given);
  for (let hops = 0; typeof node.$ref === 'string' && hops < MOST_HOPS; hops++)
    node = fields(pointed(root, node.$ref));
  return node;
}

/** RFC 6901, as the fragment of a URI reference. */
function pointed(root: Fields, reference: string): unknown {
  const [, ...names] = reference.startsWith('#/') ? reference.split('/') : [];
  const unescaped = names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return unescaped.reduce<unknown>((node, name) => fields(node)[name], names.length > 0 ? root : undefined);
}

/** Without a prototype, so that no name finds what was never written. */
function fields(node: unknown): Fields {
  const isMap = typeof node === 'object' && node !== null && !Array.isArray(node);
  return Object.assign(Object.create(null) as Fields, isMap ? node : {});
}

function list(node: unknown): unknown[] {
  return Array.isArray(node) ? node : [];
}

function textOf(node: unknown): string {
  return typeof node === 'string' || typeof node === 'number' ? String(node).trim() : '';
}
