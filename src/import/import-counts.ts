/** What became of sessions, in the order in which it is told. */
export const OUTCOMES = {
  imported: 'imported',
  expired: 'expired before they were read',
  locked: 'locks and no sessions (_LOCK, :lock)',
  empty: 'empty',
  too_large: 'too large (max_value_bytes)',
  wrong_type: 'of another type than string',
  unusable_key: 'under a key that Kask does not take',
  unconverted: 'not to be converted (--values)',
  failed: 'failed',
} as const satisfies Record<string, string>;

export type Outcome = keyof typeof OUTCOMES;

/** Some user may miss them. */
const LEFT_OUT: readonly Outcome[] = ['too_large', 'wrong_type', 'unusable_key', 'unconverted', 'failed'];

export type ImportCounts = Record<Outcome, number> & {
  /** Of those that were imported. */
  without_ttl: number;
  shortened: number;
};

export function noCounts(): ImportCounts {
  const outcomes = Object.fromEntries(Object.keys(OUTCOMES).map((name) => [name, 0]));
  return { ...(outcomes as Record<Outcome, number>), without_ttl: 0, shortened: 0 };
}

export function addCounts(counts: ImportCounts, more: ImportCounts): void {
  for (const name of Object.keys(more) as (keyof ImportCounts)[]) counts[name] += more[name];
}

export function seen(counts: ImportCounts): number {
  return outcomes().reduce((sum, name) => sum + counts[name], 0);
}

export function leftOut(counts: ImportCounts): number {
  return LEFT_OUT.reduce((sum, name) => sum + counts[name], 0);
}

/** A line for each that there is any of. */
export function describeCounts(counts: ImportCounts, isDryRun: boolean): string[] {
  const line = (count: number, what: string): string => `${count.toLocaleString('en').padStart(13)} ${what}`;
  const { without_ttl, shortened } = counts;
  return [
    line(seen(counts), 'seen'),
    line(counts.imported, isDryRun ? 'would be imported' : OUTCOMES.imported),
    ...(without_ttl > 0 ? [line(without_ttl, '  of them had no TTL: default_ttl')] : []),
    ...(shortened > 0 ? [line(shortened, '  of them had a longer TTL: max_ttl')] : []),
    ...outcomes()
      .filter((name) => name !== 'imported' && counts[name] > 0)
      .map((name) => line(counts[name], OUTCOMES[name])),
  ];
}

function outcomes(): Outcome[] {
  return Object.keys(OUTCOMES) as Outcome[];
}
