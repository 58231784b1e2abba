/** What `cassandra.data_path` may be. */
export const DATA_PATHS = ['lane', 'driver'] as const;

/**
 * Acts on all at once, as one outage is enough to test both. When each of them is over it throws what one of them threw,
 * and tells which.
 */
export async function byEach<T extends { dataPath: string }, R>(
  services: readonly T[],
  act: (service: T) => Promise<R>,
): Promise<R[]> {
  const ended = await Promise.allSettled(services.map(act));
  return ended.map((each, i) => {
    if (each.status === 'fulfilled') return each.value;
    throw new Error(`by the ${services[i]?.dataPath}`, { cause: each.reason });
  });
}
