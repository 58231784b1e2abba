import { readFileSync, rmSync } from 'node:fs';
import { createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { exchange, RawConnection, requestBytes } from '../harness/raw-http.js';
import {
  ALL_BYTES,
  BASE,
  describeHttpContract,
  MISS,
  NOT_HTTP,
  problem,
  told,
  toldUnparsed,
  value,
} from './http-contract.js';

jest.setTimeout(60_000);

describeHttpContract((settings) => KaskProcess.start(settings));

// The default. Where localhost has two addresses Fastify would listen on both, by a second server without our handlers.
describe('at localhost', () => {
  it('listens on 127.0.0.1 alone', async () => {
    const local = await KaskProcess.start({ storage: 'embedded', listen_address: 'localhost' });
    expect(local.origin).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect((await exchange(local.origin, { target: '/healthz' })).status).toBe(200);
    const other = RawConnection.open(local.origin.replace('127.0.0.1', '[::1]'));
    await expect(other).rejects.toThrow(/ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT/);
    await local.stop();
  });
});

describe('with a certificate', () => {
  const certificates = createCertificates({ addresses: ['127.0.0.1'] });
  const ca = readFileSync(certificates.ca);
  let secure: KaskProcess;

  beforeAll(async () => {
    const tls = { cert: certificates.serverCertificate, key: certificates.serverKey };
    secure = await KaskProcess.start({ storage: 'embedded', tls });
  });
  afterAll(async () => {
    await secure?.stop();
    rmSync(certificates.directory, { recursive: true });
  });

  it('speaks HTTPS', async () => {
    expect(secure.origin).toMatch(/^https:/);
    const target = `${BASE}key`;
    expect((await exchange(secure.origin, { method: 'PUT', target, body: ALL_BYTES }, ca)).status).toBe(201);
    expect(told(await exchange(secure.origin, { target }, ca))).toEqual(value(ALL_BYTES));
    expect(told(await exchange(secure.origin, { target: `${BASE}absent` }, ca))).toEqual(
      problem(404, MISS, `${BASE}:key`),
    );
  });

  it('shows the certificate to clients that want to see it', async () => {
    await expect(
      exchange(secure.origin, { target: BASE }, readFileSync(certificates.strangerCa)),
    ).rejects.toThrow(/certificate/);
  });

  it('answers what is not HTTP over TLS as it does in clear', async () => {
    const connection = await RawConnection.open(secure.origin, ca);
    connection.send('nonsense\r\n\r\n');
    expect(toldUnparsed(await connection.answer())).toEqual(problem(400, NOT_HTTP, '/'));
    connection.destroy();
    const answer = await exchange(secure.origin, { target: BASE, headers: { X: 'x'.repeat(17_000) } }, ca);
    expect(answer.status).toBe(431);
  });

  it('does not speak HTTP in clear, and lives on', async () => {
    const connection = await RawConnection.open(secure.origin.replace('https', 'http'));
    connection.send(requestBytes({ target: `${BASE}key` }));
    await connection.untilEnded();
    connection.destroy();
    expect((await exchange(secure.origin, { target: '/healthz' }, ca)).status).toBe(200);
  });
});
