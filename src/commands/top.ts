import { UsageError } from '../command-line.js';
import type { ManagementSettings } from '../config/settings.js';
import type { SettingsSource } from '../config/settings-source.js';
import { EX_OK, EX_UNAVAILABLE } from '../exit-codes.js';
import { fail } from '../finding.js';
import type { RewrittenSession, Top } from '../modules/namespaces/recent-writes.js';
import { Terminal } from '../terminal.js';

const PATIENCE_MS = 5_000;
const ROWS = 20;
const FIX = 'run this where the service runs, and with its settings';

/** Prints which sessions are rewritten most, as the service that runs with these settings has seen it. */
export async function run(source: SettingsSource): Promise<number> {
  const { management } = source.load().settings;
  if (!management) throw new UsageError("'top' needs the setting management");
  if (management.listen_port === 0) throw new UsageError("'top' needs a management.listen_port other than 0");
  const url = `http://${hostOf(management)}:${management.listen_port}/top`;
  const terminal = new Terminal();
  try {
    show(await ask(url), terminal);
    return EX_OK;
  } catch (error) {
    terminal.tell(fail('service', `no answer from ${url}: ${reasonOf(error)}`, FIX));
    return EX_UNAVAILABLE;
  }
}

async function ask(url: string): Promise<Top> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return (await answer.json()) as Top;
}

/** Where who listens on every address can be reached. */
function hostOf({ listen_address }: ManagementSettings): string {
  if (listen_address === '0.0.0.0' || listen_address === 'localhost') return '127.0.0.1';
  if (listen_address === '::') return '[::1]';
  return listen_address.includes(':') ? `[${listen_address}]` : listen_address;
}

function show({ since, hashed_with, writes, bytes, sessions }: Top, terminal: Terminal): void {
  terminal.line(`${whole(writes)} writes, ${whole(bytes)} bytes since ${since.slice(0, 19)}Z`);
  terminal.line(`Sessions are named by hashes with ${hashed_with}.\n`);
  if (sessions.length === 0) return terminal.line('No session was written twice.');
  terminal.heading(columns('SESSION', 'NAMESPACE', 'WRITES', 'SHARE', 'BYTES'));
  for (const session of sessions.slice(0, ROWS)) terminal.line(row(session));
}

function row({ session, namespace, writes, share, bytes }: RewrittenSession): string {
  return columns(session, namespace, whole(writes), `${(share * 100).toFixed(1)} %`, whole(bytes));
}

/** 80 characters, unless the name of a namespace is long. */
function columns(session: string, namespace: string, writes: string, share: string, bytes: string): string {
  return `${session.padEnd(22)}${namespace.padEnd(22)}${writes.padStart(11)}${share.padStart(9)}${bytes.padStart(16)}`;
}

function whole(number: number): string {
  return number.toLocaleString('en');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return error.cause instanceof Error ? error.cause.message : error.message;
}
