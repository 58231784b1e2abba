import { distance } from 'fastest-levenshtein';

/** The first of the nearest names, unless even that is too far away to be what was meant. */
export function likelySpelling<T>(
  wrong: string,
  known: T[],
  nameOf: (candidate: T) => string,
): T | undefined {
  let nearest: T | undefined;
  let least = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(wrong.toLowerCase(), nameOf(candidate).toLowerCase());
    if (far < least) [nearest, least] = [candidate, far];
  }
  return nearest;
}
