import { policies, types } from 'cassandra-driver';
import type { CassandraNode } from './node.js';
import { withClient } from './node-client.js';
import { eventually } from './poll.js';

/** A node that hears nothing of another believes it alive for up to 30 s on a quiet machine. */
const NOTICED_MS = 120_000;
const SELECT = 'SELECT value FROM sessions."values" WHERE key = ?';

/** Resolves once the node, as a coordinator, reads at this level from the replicas that it believes alive. */
export function untilServes(node: CassandraNode, consistency: types.consistencies): Promise<void> {
  return eventually(() => read(node, consistency), NOTICED_MS);
}

/** Resolves once the node, as a coordinator, says at once that too few replicas are alive for this level. */
export function untilRefuses(node: CassandraNode, consistency: types.consistencies): Promise<void> {
  return eventually(async () => {
    const error = await read(node, consistency).then(
      () => undefined,
      (reason: Error & { code?: number }) => reason,
    );
    if (error?.code !== types.responseErrorCodes.unavailableException)
      throw new Error(`${node.name} does not refuse: ${error?.message ?? 'it serves'}`);
  }, NOTICED_MS);
}

async function read(node: CassandraNode, consistency: types.consistencies): Promise<void> {
  // The driver would otherwise ask again and hide the reason.
  const retry = new policies.retry.FallthroughRetryPolicy();
  await withClient(node.address, { authentication: false }, (client) =>
    client.execute(SELECT, ['any'], { prepare: true, consistency, retry }),
  );
}
