/** In the order in which they run. */
export const SCENARIO_NAMES = [
  'saturated',
  'rate',
  'pod',
  'connections',
  'sizes',
  'misses',
  'mixed',
  'keys',
  'memory',
  'start',
] as const;

export type ScenarioName = (typeof SCENARIO_NAMES)[number];
