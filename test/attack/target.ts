import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { type Answer, send } from '../endurance/request.js';
import { residentMib } from '../endurance/service-state.js';
import { type Certificates, createCertificates } from '../harness/certificates.js';
import { KaskProcess } from '../harness/kask.js';
import { roomInMemory } from '../harness/room-in-memory.js';

/** Of who may do everything, where the service asks. */
export const IDENTITY = 'spiffe://test/mediawiki';
const AS_IDENTITY = { 'x-forwarded-client-cert': `By=spiffe://test/kask;URI=${IDENTITY}` };
const PATIENCE_MS = 5_000;
/** A disk that is slow for seconds is answered 504, and is no attacker's doing. */
const STORE_BYTES = 256 * 1024 ** 2;

/** The ways to deploy it that an attacker can find. */
export const SHAPES = ['clear', 'forwarded', 'tls'] as const;
export type Shape = (typeof SHAPES)[number];

/** What has to be as before once an attack is over. */
export interface State {
  residentMib: number;
  heapMib: number;
  /** As the kernel sees them: all of the process, listening ones included. */
  sockets: number;
  requestsInFlight: number;
}

/** A service that is attacked. */
export class Target {
  private readonly agent: http.Agent;
  readonly ca: Buffer | undefined;

  private constructor(
    readonly shape: Shape,
    readonly kask: KaskProcess,
    private readonly certificates: Certificates | undefined,
  ) {
    this.ca = certificates && readFileSync(certificates.ca);
    // One alone: who asks again as soon as he has his answer would open a second, and both would be counted as sockets.
    const options = { keepAlive: true, maxSockets: 1, ca: this.ca };
    this.agent = this.ca ? new https.Agent(options) : new http.Agent(options);
  }

  /** Its log level is the default one; the store goes with the process. */
  static async start(shape: Shape): Promise<Target> {
    const certificates =
      shape === 'tls' ? createCertificates({ names: ['localhost'], addresses: ['127.0.0.1'] }) : undefined;
    const settings = { storage: 'embedded', embedded: { path: 'data' }, ...settingsOf(shape, certificates) };
    const directory = mkdtempSync(`${roomInMemory(STORE_BYTES)}/kask-attack-`);
    return new Target(shape, await KaskProcess.start(settings, { directory }), certificates);
  }

  get caFile(): string | undefined {
    return this.certificates?.ca;
  }

  get origin(): string {
    return this.kask.origin;
  }

  /** As a well-behaved client. */
  send(method: string, path: string, body?: Buffer, agent = this.agent): Promise<Answer> {
    return send(method, this.origin + path, agent, body, PATIENCE_MS, AS_IDENTITY);
  }

  async metrics(): Promise<string> {
    const { status, body, error } = await this.send('GET', '/metrics');
    if (status !== 200) throw error ?? new Error(`/metrics answered ${status}`);
    return body.toString();
  }

  async state(): Promise<State> {
    const text = await this.metrics();
    const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    return {
      residentMib: residentMib(this.kask.pid),
      heapMib: Math.round(value('nodejs_heap_size_used_bytes') / 1024 ** 2),
      sockets: this.sockets(),
      requestsInFlight: value('kask_http_requests_in_flight'),
    };
  }

  /** As the system has them, with their state, what waits to be read and written, and their peers. */
  connections(): string {
    return execFileSync('ss', ['-tnH', 'sport', '=', `:${new URL(this.origin).port}`], { encoding: 'utf8' });
  }

  sockets(): number {
    const folder = `/proc/${this.kask.pid}/fd`;
    return readdirSync(folder).filter((fd) => isSocket(`${folder}/${fd}`)).length;
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    await this.kask.kill();
    if (this.certificates) rmSync(this.certificates.directory, { recursive: true });
  }
}

function settingsOf(shape: Shape, certificates: Certificates | undefined): Record<string, unknown> {
  if (certificates) return { tls: { cert: certificates.serverCertificate, key: certificates.serverKey } };
  if (shape === 'clear') return {};
  const may = ['read', 'write', 'delete', 'metrics'];
  return { authentication: 'required', authorization: { clients: { [IDENTITY]: { may } } } };
}

/** A descriptor may be closed while they are listed. */
function isSocket(file: string): boolean {
  try {
    return readlinkSync(file).startsWith('socket:');
  } catch {
    return false;
  }
}
