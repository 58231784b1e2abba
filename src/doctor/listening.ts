import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { get as getInClear } from 'node:http';
import { get as getByTls } from 'node:https';
import { createServer, type ListenOptions } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Settings } from '../config/settings.js';
import { fail, type Finding, ok, warn } from '../finding.js';

const HEALTH_MS = 3_000;

/** Where the service listens, or would. */
interface Place {
  setting: string;
  shown: string;
  at: { host: string; port: number } | { path: string };
  isTls: boolean;
  hasHealth: boolean;
}

export async function listeningFindings(settings: Settings): Promise<Finding[]> {
  return Promise.all(placesOf(settings).map(findingOf));
}

function placesOf({ listen_socket, listen_address, listen_port, tls, management }: Settings): Place[] {
  const hasHealth = management === undefined;
  const sessions: Place = listen_socket
    ? { setting: 'listen_socket', shown: listen_socket, at: { path: listen_socket }, isTls: false, hasHealth }
    : { ...portOf('listen_port', listen_address, listen_port), isTls: tls !== undefined, hasHealth };
  if (!management) return [sessions];
  const second = portOf('management.listen_port', management.listen_address, management.listen_port);
  return [sessions, { ...second, isTls: false, hasHealth: true }];
}

/** As the service takes `localhost`. */
function portOf(setting: string, address: string, port: number): Pick<Place, 'setting' | 'shown' | 'at'> {
  const host = address === 'localhost' ? '127.0.0.1' : address;
  return { setting, shown: `${host}:${port}`, at: { host, port } };
}

async function findingOf(place: Place): Promise<Finding> {
  const { setting, shown } = place;
  // Listening at a socket that is there would be refused, also where nobody listens any more.
  const isThere = 'path' in place.at && existsSync(place.at.path);
  const why = isThere ? 'EADDRINUSE' : await refusalOf(place.at);
  if (why === undefined) return ok(setting, `${shown} is free`);
  if (why !== 'EADDRINUSE')
    return fail(setting, `${shown} cannot be listened at (${why})`, `mend ${setting}`);
  return place.hasHealth ? healthFinding(place) : ok(setting, `${shown} is in use`);
}

async function refusalOf(at: ListenOptions): Promise<string | undefined> {
  const server = createServer().listen({ ...at, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error';
  }
  server.close();
  return undefined;
}

/** What listens there is mostly the service itself. */
async function healthFinding(place: Place): Promise<Finding> {
  const { setting, shown } = place;
  const about = await ask(place, '/healthz').catch(() => undefined);
  if (typeof about?.version !== 'string') {
    const fix = `see what it is (ss -ltnp), or mend ${setting}; where clients need certificates, ask management`;
    return warn(setting, `${shown} is in use, and what listens there tells no health`, fix);
  }
  const kask = `kask ${about.version} listens at ${shown}`;
  const { error } = (await ask(place, '/healthz/ready').catch(() => undefined)) ?? {};
  const reasons = Object.values((error ?? {}) as Record<string, { reason?: string }>);
  if (reasons.length === 0) return ok(setting, `${kask} and is ready`);
  const reason = reasons.map((each) => each.reason).join('; ');
  return warn(
    setting,
    `${kask} and is not ready: ${reason}`,
    reason === 'depooled' ? 'run kask pool' : 'see below',
  );
}

/** A JSON document of a service that is on this machine, so that its certificate is not asked for names. */
async function ask({ at, isTls }: Place, path: string): Promise<Record<string, unknown>> {
  const target = 'path' in at ? { socketPath: at.path } : at;
  const options = { ...target, path, timeout: HEALTH_MS, signal: AbortSignal.timeout(HEALTH_MS) };
  const request = isTls ? getByTls({ ...options, rejectUnauthorized: false }) : getInClear(options);
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
  return JSON.parse(await text(response)) as Record<string, unknown>;
}
