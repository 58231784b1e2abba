import { distance } from 'fastest-levenshtein';

/** The first of the nearest names (`ttl` is nearest to `default_ttl`), unless even that is too far from what is written. */
export function likelySpelling(
  wrong: string,
  known: string[],
  nameOf = (candidate: string) => candidate,
): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const candidate of known) {
    const name = nameOf(candidate).toLowerCase();
    const far = name.endsWith(`_${wrong}`) ? 0 : distance(wrong.toLowerCase(), name);
    if (far < least) [nearest, least] = [candidate, far];
  }
  return nearest;
}
