import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './cassandra/poll.js';
import type { KeyPair } from './certificates.js';
import { Guardian } from './guardian.js';
import { requireRsyslog } from './prerequisites.js';

const DEADLINE_MS = 20_000;

/** Ports of 127.0.0.1 for one receiver, and what it shows to who connects with TLS. */
export interface RsyslogOptions {
  port: number;
  tlsPort: number;
  ca: string;
  identity: KeyPair;
}

/** Debian's rsyslog as a process of its own, which writes every message as it came into a file. */
export class Rsyslog {
  private child: ChildProcess | undefined;
  private readonly guardian: Guardian;
  private readonly directory = mkdtempSync(path.join(tmpdir(), 'kask-rsyslog-'));
  readonly socket = path.join(this.directory, 'socket');

  constructor(private readonly options: RsyslogOptions) {
    requireRsyslog();
    this.guardian = new Guardian(this.directory);
    writeFileSync(this.file('conf'), this.configuration());
  }

  async start(): Promise<void> {
    const files = ['-f', this.file('conf'), '-i', this.file('pid')];
    this.child = spawn('rsyslogd', ['-n', ...files], { stdio: 'ignore' });
    this.guardian.watch([this.child.pid as number]);
    await eventually(() => answers(this.options.tlsPort), DEADLINE_MS);
    await eventually(() => answers(this.socket), DEADLINE_MS);
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = undefined;
    child.kill('SIGTERM');
    await once(child, 'exit');
    this.guardian.watch([]);
  }

  async remove(): Promise<void> {
    await this.guardian.finish();
  }

  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** What was received so far, a message a line. */
  messages(): string[] {
    const file = this.file('log');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  private file(name: string): string {
    return path.join(this.directory, `rsyslog.${name}`);
  }

  private configuration(): string {
    const { port, tlsPort, ca, identity } = this.options;
    const driver = 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.Authmode="anon"';
    return `
      global(workDirectory="${this.directory}" maxMessageSize="64k" net.enableDNS="off"
        DefaultNetstreamDriverCAFile="${ca}"
        DefaultNetstreamDriverCertFile="${identity.certificate}"
        DefaultNetstreamDriverKeyFile="${identity.key}")
      module(load="imptcp")
      module(load="imudp")
      module(load="imtcp" ${driver})
      template(name="asItCame" type="string" string="%rawmsg%\\n")
      input(type="imptcp" path="${this.socket}" unlink="on")
      input(type="imptcp" address="127.0.0.1" port="${port}")
      input(type="imudp" address="127.0.0.1" port="${port}")
      input(type="imtcp" address="127.0.0.1" port="${tlsPort}")
      action(type="omfile" file="${this.file('log')}" template="asItCame")
    `;
  }
}

async function answers(place: number | string): Promise<void> {
  const socket = typeof place === 'number' ? connect(place, '127.0.0.1') : connect(place);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
