import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ATOMIC, raceToCreate, toldOf, wrongAfter } from '../faults/race-to-create.js';
import { sharedCassandra, uniqueKeyspace } from '../harness/cassandra/cluster-of-the-run.js';
import { KaskProcess } from '../harness/kask.js';
import { untilReady } from '../harness/readiness.js';

const WRITERS = 100;

/** In two datacenters: two-datacenters.e2e-spec.ts. */
describe('a session that 100 writers create at once', () => {
  it.each([1, 2, 3])('has one winner on the embedded store: %i', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kask-race-'));
    const kask = await KaskProcess.start({
      storage: 'embedded',
      embedded: { path: directory },
      namespaces: ATOMIC,
    });
    try {
      await expectOneWinner([kask.url('race:1')]);
    } finally {
      await kask.kill();
      rmSync(directory, { recursive: true });
    }
  });

  it('has one winner on Cassandra, among writers of two processes', async () => {
    const keyspace = await uniqueKeyspace();
    const { hosts, port, datacenter } = sharedCassandra();
    const cassandra = { hosts, port, keyspace: keyspace.name, local_dc: datacenter };
    const settings = { cassandra, namespaces: ATOMIC };
    const processes = await Promise.all([KaskProcess.start(settings), KaskProcess.start(settings)]);
    try {
      await Promise.all(processes.map((kask) => untilReady(kask)));
      for (let round = 0; round < 3; round++)
        await expectOneWinner(processes.map((kask) => kask.url(`race:${round}`)));
    } finally {
      await Promise.all(processes.map((kask) => kask.kill()));
      await keyspace.drop();
    }
  });
});

async function expectOneWinner(urls: readonly string[]): Promise<void> {
  const race = await raceToCreate(urls, WRITERS);
  process.stdout.write(`${toldOf(race)}\n`);
  expect(await wrongAfter(race, urls)).toEqual([]);
}
