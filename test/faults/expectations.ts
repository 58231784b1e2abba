import { type Datacenter, DELETE_PENDING } from './asked.js';
import type { Outcome, Seen } from './outcome.js';

/** What has to hold of an outcome; it names what does not. */
export type Expectation = (outcome: Outcome) => string[];

/** `request_timeout_ms`, and what the rest of a request may take on a busy machine. */
const ANSWERED_MS = 2_500 + 250;
/** Below which a 99th percentile is not compared, in ms: so long a node itself waits for a replica before it asks another. */
const LEAST_P99_MS = 50;
/** How the contract has a storage that is away. */
const STORAGE_AWAY = /^\w+ (503 unavailable|504 timeout)$|^DELETE 503 delete_pending$/;

export const everyRequestIsAnswered: Expectation = ({ everyone }) =>
  everyone.flatMap(([datacenter, { asked }]) => {
    const late = asked.filter(({ status, ms }) => status === 0 || ms > ANSWERED_MS).length;
    return late > 0 ? [`${datacenter}: ${late} requests were not answered within ${ANSWERED_MS} ms`] : [];
  });

export const failuresAreOfTheContract: Expectation = ({ everyone }) =>
  everyone.flatMap(([datacenter, seen]) => failuresExcept(datacenter, seen, STORAGE_AWAY));

export const nothingFails = (...datacenters: Datacenter[]): Expectation =>
  inEach(datacenters, (datacenter, seen) => failuresExcept(datacenter, seen));

/** As the other datacenter has not acknowledged them; they are remembered. */
export const onlyDeletesFail = (...datacenters: Datacenter[]): Expectation =>
  inEach(datacenters, (datacenter, seen) =>
    failuresExcept(datacenter, seen, new RegExp(`^${DELETE_PENDING}$`)),
  );

export const p99StaysWithinTwice = (...datacenters: Datacenter[]): Expectation =>
  inEach(datacenters, (datacenter, { before, during }) => {
    const bound = 2 * Math.max(before.p99, LEAST_P99_MS / 2);
    const [is, allowed] = [during.p99, bound].map((ms) => ms.toFixed(0));
    return during.p99 > bound ? [`${datacenter}: p99 was ${is} ms and should be at most ${allowed} ms`] : [];
  });

export const recoversWithin = (seconds: number, ...datacenters: Datacenter[]): Expectation =>
  inEach(datacenters, (datacenter, { secondsToRecover }) =>
    secondsToRecover > seconds ? [`${datacenter}: recovered after ${secondsToRecover.toFixed(1)} s`] : [],
  );

function inEach(
  datacenters: Datacenter[],
  wrongIn: (datacenter: Datacenter, seen: Seen) => string[],
): Expectation {
  return ({ seen }) => datacenters.flatMap((datacenter) => wrongIn(datacenter, seen[datacenter]));
}

function failuresExcept(datacenter: Datacenter, { failures }: Seen, allowed?: RegExp): string[] {
  return [...failures]
    .filter(([failure]) => !allowed?.test(failure))
    .map(([failure, count]) => `${datacenter}: ${count} × ${failure}`);
}
