import type { Spread } from '../statistics.js';

/** `0.55 (0.51–0.60)`: the median of the rounds, the smallest and the largest. */
export function ratioText(ratio: Spread): string {
  return spreadText(ratio, 2);
}

export function spreadText({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}
