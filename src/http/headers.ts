/** In every answer: a session is for nobody to keep, and never a page or a script. */
export const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** A request id is the client's to choose: what is longer is no id. */
const MAX_REQUEST_ID = 256;

/** For log lines, from `X-Request-ID`. */
export function requestIdOf(headers: NodeJS.Dict<string | string[]>): string | undefined {
  const id = headers['x-request-id'];
  return typeof id === 'string' && id !== '' ? id.slice(0, MAX_REQUEST_ID) : undefined;
}
