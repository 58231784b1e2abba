/** As CQL writes it: a number, a text, or a map of texts. */
export type OptionValue = number | string | Readonly<Record<string, string>>;

export interface TableOption {
  name: string;
  value: OptionValue;
  /** For people, in the CQL and in docs/cassandra.md. */
  reason: string;
}

/** The default of Cassandra. */
const TEN_DAYS = 864_000;
/** UnifiedCompactionStrategy came with it. */
const FIRST_UNIFIED = 5;

/**
 * The options of a table whose rows are small, live for `ttlSeconds` at most, and are rewritten all the time, for the oldest
 * `release` of Cassandra among the nodes.
 */
export function tableOptions(ttlSeconds: number, release: string): TableOption[] {
  return [
    {
      name: 'gc_grace_seconds',
      value: Math.max(TEN_DAYS, ttlSeconds),
      reason:
        'Not below max_ttl: a replica that missed a delete would give the session back once the others have ' +
        'forgotten the delete; so it has expired by then, repaired or not. Ten days at least, in case it was longer before.',
    },
    {
      name: 'default_time_to_live',
      value: 0,
      reason: 'Each write brings its own; another one here would never apply.',
    },
    compaction(release),
    {
      name: 'compression',
      value: { class: 'LZ4Compressor', chunk_length_in_kb: '4' },
      reason: 'A read decompresses one chunk, and a session is rarely larger.',
    },
    {
      name: 'bloom_filter_fp_chance',
      value: 0.01,
      reason: 'Reads of sessions that are not there are common, and should touch no file.',
    },
    {
      name: 'caching',
      value: { keys: 'ALL', rows_per_partition: 'NONE' },
      reason: 'Each write of a session would throw it out of a cache of rows.',
    },
    ...['speculative_retry', 'additional_write_policy'].map((name) => ({
      name,
      value: 'MIN(99p,50ms)',
      reason:
        'With 99p alone a replica that dies takes the percentile with it, and requests wait for seconds; the limit of 50 ms holds whatever happens.',
    })),
    {
      name: 'read_repair',
      value: 'BLOCKING',
      reason: 'What one read at quorum has seen, no later one unsees.',
    },
  ];
}

function compaction(release: string): TableOption {
  const name = 'compaction';
  const why = 'Sessions are overwritten and expire all the time';
  const notWindows = 'TimeWindowCompactionStrategy suits rows that are written once.';
  if (Number.parseInt(release) < FIRST_UNIFIED)
    return {
      name,
      value: { class: 'LeveledCompactionStrategy' },
      reason: `${why}: few files hold a row, and what is overwritten goes soon. ${notWindows}`,
    };
  return {
    name,
    value: {
      class: 'UnifiedCompactionStrategy',
      scaling_parameters: 'T4',
      expired_sstable_check_frequency_seconds: '600',
    },
    reason:
      `${why}; files of which everything has expired are dropped unread, looked for every 600 s. ${notWindows} ` +
      'Before Cassandra 5.0: LeveledCompactionStrategy.',
  };
}
