import { type Check, CHECKS, type Verdict } from './checker.js';
import type { Call, History } from './history.js';

const SHOWN = 20;

/** What was asked, what was looked at, and all that is wrong, with the calls that prove it. */
export function report(history: History, { facts, violations }: Verdict): string[] {
  const checks = (Object.keys(CHECKS) as Check[]).map((check) => {
    const found = violations.filter((violation) => violation.check === check).length;
    return `${CHECKS[check]}: ${found} of ${facts[check]}`;
  });
  const shown = violations
    .slice(0, SHOWN)
    .flatMap(({ check, text, calls }) => [`${check}: ${text}`, ...calls.map((call) => `    ${told(call)}`)]);
  const more = violations.length - SHOWN;
  return [...history.counts(), ...checks, ...shown, ...(more > 0 ? [`and ${more} more`] : [])];
}

function told({ start, end, client, operation, value, broken, status }: Call): string {
  const what = broken ?? value ?? '';
  return `${start.toFixed(1)} to ${end.toFixed(1)} ms  ${client}  ${operation} ${what}  ${status}`;
}
