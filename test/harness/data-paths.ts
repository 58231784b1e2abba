/** Of `cassandra.data_path`: one outage is enough to test both. */
export const DATA_PATHS = ['lane', 'driver'];

/** Acts on all at once, and is over when each of them is: then it throws what one of them threw, and tells which. */
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
