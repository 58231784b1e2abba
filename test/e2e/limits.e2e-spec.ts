import { readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/cassandra/poll.js';
import { createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { exchange, RawConnection, requestBytes } from '../harness/raw-http.js';

jest.setTimeout(120_000);

const MEBIBYTE = 1_048_576;
const TARGET = '/sessions/v1/key';
const get = (target = TARGET): Buffer => requestBytes({ target });
/** Half of a head. */
const HALF_A_HEAD = get().subarray(0, 30);
const HALF_A_BODY = requestBytes({ method: 'PUT', target: TARGET, body: '0123456789' }).subarray(0, -5);

let kask: KaskProcess;
afterEach(() => kask?.stop());

const start = (settings: Record<string, unknown>): Promise<KaskProcess> =>
  KaskProcess.start({ storage: 'embedded', ...settings });

async function open(count: number, bytes: string | Buffer = ''): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let i = 0; i < count; i++) {
    const connection = await RawConnection.open(kask.origin);
    if (bytes.length > 0) await connection.deliver(bytes);
    connections.push(connection);
  }
  return connections;
}

const destroy = (connections: RawConnection[]) => connections.forEach((each) => each.destroy());
const openOf = (connections: RawConnection[]): number =>
  connections.filter(({ ended, closed }) => !ended && !closed).length;

/** How many connections the service closed for a reason. */
async function closedFor(reason: string, ca?: Buffer): Promise<number> {
  const { body } = await exchange(kask.origin, { target: '/metrics' }, ca);
  return Number(
    new RegExp(`connections_closed_total\\{reason="${reason}"\\} (\\d+)`).exec(String(body))?.[1],
  );
}

async function untilClosedFor(reason: string, count: number, ca?: Buffer): Promise<void> {
  while ((await closedFor(reason, ca)) < count) await sleep(200);
}

function residentMib(): number {
  const [, kilobytes] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${kask.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1_024;
}

describe('more connections than there is room for', () => {
  it.each([
    ['that say nothing', ''],
    ['with half a head', HALF_A_HEAD],
    ['with half a body', HALF_A_BODY],
    ['that are kept', get()],
  ])('%s: others are served, and those make room that were quiet for longest', async (_, bytes) => {
    kask = await start({ limits: { connections: 20 } });
    const crowd = await open(60, bytes);
    const kept = await RawConnection.open(kask.origin);
    for (let i = 0; i < 30; i++) {
      kept.send(get());
      expect((await kept.answer()).status).toBe(404);
      expect((await exchange(kask.origin, { target: '/healthz/live' })).status).toBe(200);
      const [newcomer] = await open(1, bytes);
      crowd.push(newcomer!);
    }
    await sleep(200);
    await eventually(() => Promise.resolve(expect(openOf(crowd)).toBeLessThan(20)), 5_000);
    expect(openOf([kept])).toBe(1);
    expect(openOf(crowd)).toBeGreaterThan(10);
    expect(openOf(crowd.slice(-10))).toBe(10);
    expect(await closedFor('full')).toBeGreaterThanOrEqual(70);
    expect(await closedFor('refused')).toBe(0);
    destroy([...crowd, kept]);
  });

  it('in the middle of their handshakes: others are served', async () => {
    const certificates = createCertificates({ addresses: ['127.0.0.1'] });
    const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
    const ca = readFileSync(certificates.ca);
    kask = await start({ limits: { connections: 20 }, tls });
    const { hostname, port } = new URL(kask.origin);
    const halfOpen: Socket[] = [];
    for (let i = 0; i < 60; i++) {
      halfOpen.push(connect(Number(port), hostname).on('error', () => undefined));
      if (i % 6 === 0) expect((await exchange(kask.origin, { target: TARGET }, ca)).status).toBe(404);
    }
    expect((await exchange(kask.origin, { target: TARGET }, ca)).status).toBe(404);
    // Those that are left are closed when their time is over.
    await untilClosedFor('tls', 15, ca);
    for (const each of halfOpen) each.destroy();
    rmSync(certificates.directory, { recursive: true });
  });

  it('from one address close those of that address, and loopback is none', async () => {
    kask = await start({ listen_address: '0.0.0.0', limits: { connections_per_peer: 5 } });
    const local = await openAt('127.0.0.1', 10);
    const address = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
    const remote = address === undefined ? [] : await openAt(address, 12);
    const expected = address === undefined ? 0 : 5;
    await sleep(200);
    await eventually(() => Promise.resolve(expect(openOf(remote)).toBe(expected)), 5_000);
    expect(openOf(local)).toBe(10);
    destroy([...local, ...remote]);
  });

  async function openAt(address: string, count: number): Promise<RawConnection[]> {
    const { port } = new URL(kask.origin);
    const opened: RawConnection[] = [];
    for (let i = 0; i < count; i++) opened.push(await RawConnection.open(`http://${address}:${port}`));
    return opened;
  }
});

describe('who is slow', () => {
  it('loses his connection when his time is over, and is told so where it can be heard', async () => {
    kask = await start({});
    await exchange(kask.origin, { method: 'PUT', target: TARGET, body: Buffer.alloc(8 * MEBIBYTE) });
    const [silent, head, body, reader] = [
      ...(await open(1)),
      ...(await open(1, HALF_A_HEAD)),
      ...(await open(1, HALF_A_BODY)),
      ...(await open(1)),
    ] as [RawConnection, RawConnection, RawConnection, RawConnection];
    reader.pause();
    await reader.deliver(get());

    await Promise.all([silent.untilEnded(), head.untilEnded()]);
    expect(silent.rest).toBe('');
    expect((await head.answer()).status).toBe(408);
    expect(openOf([body])).toBe(1);
    await untilClosedFor('slow_request', 2);
    await untilClosedFor('slow_reader', 1);
    expect((await body.answer('PUT')).status).toBe(408);
    destroy([silent, head, body, reader]);
  });

  it('does not hold more large answers than four of the largest, and makes room for others', async () => {
    kask = await start({});
    await exchange(kask.origin, { method: 'PUT', target: TARGET, body: Buffer.alloc(8 * MEBIBYTE) });
    const before = residentMib();
    const readers = await open(40);
    for (const each of readers) {
      each.pause();
      await each.deliver(get());
    }
    await sleep(5_500);
    const taken = await exchange(kask.origin, { target: TARGET });
    expect(taken.status).toBe(200);
    expect(taken.body).toHaveLength(8 * MEBIBYTE);
    expect(await closedFor('slow_reader')).toBe(1);
    expect(residentMib() - before).toBeLessThan(128);
    destroy(readers);
  });

  it('does not hold more small bodies than there is room for, and others write theirs', async () => {
    kask = await start({});
    const before = residentMib();
    const part = requestBytes({ method: 'PUT', target: TARGET, body: Buffer.alloc(60_000) }).subarray(0, -1);
    const writers = await open(1_000, part);
    expect((await exchange(kask.origin, { method: 'PUT', target: TARGET, body: 'x' })).status).toBe(201);
    expect(openOf(writers)).toBeGreaterThan(200);
    expect(openOf(writers)).toBeLessThan(300);
    expect(await closedFor('slow_request')).toBeGreaterThan(700);
    expect(residentMib() - before).toBeLessThan(96);
    destroy(writers);
  });
});

it('garbage has a budget for its lines, and is counted', async () => {
  kask = await start({});
  const connections = await open(500);
  for (const each of connections) each.send('garbage\r\n\r\n');
  for (const each of connections) expect((await each.answer()).status).toBe(400);
  destroy(connections);
  expect(await closedFor('not_http')).toBe(500);
  await kask.waitForLog(({ lines }) => Number(lines) > 0);
  const written = (): number => kask.logs().filter(({ msg }) => msg === 'request that is no HTTP').length;
  const leftOut = (): number => kask.logs().reduce((sum, { lines }) => sum + Number(lines ?? 0), 0);
  await eventually(() => Promise.resolve(expect(written() + leftOut()).toBe(500)), 10_000);
  expect(written()).toBeGreaterThanOrEqual(50);
});
