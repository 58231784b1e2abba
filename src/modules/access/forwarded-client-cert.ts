import type { SubjectNames } from './subject-names.js';

/**
 * The names in the header `x-forwarded-client-cert`, as Envoy writes it: elements with commas between them, pairs of
 * `Key=Value` with semicolons, and values in double quotes where they hold one of these. Each proxy on the way adds an
 * element, so that only the last one is by the proxy that we trust; those before it are what its client said.
 * `undefined` if the header is not written like this.
 */
export function namesForwarded(header: string): SubjectNames | undefined {
  const element = lastElement(header);
  if (!element) return undefined;
  const valuesOf = (key: string): string[] =>
    element.filter((pair) => pair.key === key).map(({ value }) => value);
  return { uris: valuesOf('uri'), dns: valuesOf('dns') };
}

interface Pair {
  /** In lower case. */
  key: string;
  value: string;
}

const PAIR = /\s*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"\s*|([^",;]*))([;,]|$)/y;

function lastElement(header: string): Pair[] | undefined {
  const pairs: Pair[] = [];
  PAIR.lastIndex = 0;
  for (;;) {
    const [, key, quoted, plain = '', separator] = PAIR.exec(header) ?? [];
    if (key === undefined) return undefined;
    const value = quoted === undefined ? plain.trim() : quoted.replace(/\\(.)/g, '$1');
    // A name that is there without a value is none.
    if (value !== '') pairs.push({ key: key.toLowerCase(), value });
    if (separator === '') return pairs;
    if (separator === ',') pairs.length = 0;
  }
}
