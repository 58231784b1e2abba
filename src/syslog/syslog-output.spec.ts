import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { SyslogOutput } from './syslog-output.js';

const DEBUG = 20;
const ERROR = 50;

describe('SyslogOutput', () => {
  let server: Server;
  let address: string;
  let sockets: Socket[];
  let received: string;
  let told: string[];
  let output: SyslogOutput;
  beforeEach(async () => {
    sockets = [];
    received = '';
    told = [];
    await listen(0);
    output = new SyslogOutput({ address }, 'kask', undefined);
    output.tellTo(pino({ base: null, timestamp: false }, { write: (line) => void told.push(line) }));
    await until(() => sockets.length === 1);
  });
  afterEach(async () => {
    await output.end();
    close();
  });

  async function listen(port: number): Promise<void> {
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    address = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };

  it('counts octets, not characters, and tells level and facility', async () => {
    output.write('{"msg":"ä"}\n', ERROR);
    output.write('{"msg":"b"}\n', DEBUG);
    await until(() => received.includes('"b"'));
    const [, octets] = /^(\d+) /.exec(received) ?? [];
    const [first, second] = received.slice(`${octets} `.length).split(/(?<=\})\d+ /);
    expect(Buffer.byteLength(first as string)).toBe(Number(octets));
    expect(first).toMatch(/^<27>1 \S+Z \S+ kask \d+ - - \{"msg":"ä"\}$/);
    expect(second).toMatch(/^<31>1 .* \{"msg":"b"\}$/);
  });

  it('keeps a bounded amount for a receiver who takes nothing, and counts what it drops', async () => {
    sockets[0]?.pause();
    const line = `${JSON.stringify({ text: 'x'.repeat(1_000) })}\n`;
    for (let i = 0; i < 50_000; i++) output.write(line, ERROR);
    const { dropped } = output;
    expect(dropped).toBeGreaterThan(40_000);
    sockets[0]?.resume();
    await until(() => received.split('<27>').length - 1 === 50_000 - dropped);
    output.write(line, ERROR);
    expect(output.dropped).toBe(dropped);
  });

  it('keeps what is logged while nobody listens, and says once that it is so', async () => {
    const { port } = server.address() as AddressInfo;
    close();
    await until(() => told.length === 1);
    output.write('{"msg":"kept"}\n', ERROR);
    await sleep(1_000); // it tries again, in vain
    await listen(port);
    await until(() => received.includes('{"msg":"kept"}'));
    expect(told.map((line) => JSON.parse(line) as object)).toEqual([
      { level: 40, msg: 'syslog takes no lines', address, reason: expect.any(String) as string },
    ]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await sleep(10);
  }
}
