import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Expiring, TimerWheel } from './timer-wheel.js';

const TICK_MS = 5;
/** How long the wheel takes to come round. */
const REVOLUTION_MS = 512 * TICK_MS;

class Entry extends Expiring {
  readonly expiredAt: number[] = [];

  constructor(private readonly then: () => void = () => undefined) {
    super();
  }

  override expire(): void {
    this.expiredAt.push(performance.now());
    this.then();
  }
}

let wheel: TimerWheel;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  wheel = new TimerWheel(TICK_MS);
});
afterEach(() => {
  jest.useRealTimers();
});

/** The process does nothing for so long, and then one timer fires late. */
function stall(ms: number): void {
  const now = performance.now();
  jest.spyOn(performance, 'now').mockReturnValue(now + ms);
  jest.advanceTimersByTime(TICK_MS + 1); // the wheel turns after the timer
  jest.restoreAllMocks();
}

function add(entry: Entry, ms: number): void {
  wheel.add(entry, performance.now() + ms);
}

async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const here = connect(port, '127.0.0.1');
  const [[there]] = await Promise.all([accepted, once(here, 'connect')]);
  server.close();
  return [here, there];
}

describe('a timer wheel', () => {
  it.each([0, 1, 4, 5, 6, 99, 100, 2_559, 2_560, 2_561, 10_000, 600_000])(
    'ends what is due in %i ms, not early and at most two ticks late',
    (ms) => {
      for (const offset of [0, 1, 3]) {
        jest.advanceTimersByTime(offset);
        const entry = new Entry();
        const due = performance.now() + ms;
        add(entry, ms);
        jest.advanceTimersByTime(ms + 3 * TICK_MS);
        expect(entry.expiredAt).toHaveLength(1);
        expect(entry.expiredAt[0]).toBeGreaterThanOrEqual(due);
        expect(entry.expiredAt[0]).toBeLessThanOrEqual(due + 2 * TICK_MS);
      }
    },
  );

  it.each([-1, -6, -100, -REVOLUTION_MS])(
    'ends what was due %i ms ago at once, not a revolution later',
    (ms) => {
      jest.advanceTimersByTime(12_345);
      const keepsTurning = new Entry();
      add(keepsTurning, 60_000);
      jest.advanceTimersByTime(50);
      const entry = new Entry();
      add(entry, ms);
      jest.advanceTimersByTime(2 * TICK_MS);
      expect(entry.expiredAt).toHaveLength(1);
    },
  );

  it('does not end what was removed, and removes twice in peace', () => {
    const entries = Array.from({ length: 9 }, () => new Entry());
    for (const entry of entries) add(entry, 20); // all in one slot
    for (const i of [0, 4, 8, 4]) wheel.remove(entries[i] as Entry);
    jest.advanceTimersByTime(100);
    expect(entries.map((entry) => entry.expiredAt.length)).toEqual([0, 1, 1, 1, 0, 1, 1, 1, 0]);
  });

  it('takes an entry again that expired or was removed', () => {
    const entry = new Entry();
    add(entry, 20);
    wheel.remove(entry);
    add(entry, 50);
    jest.advanceTimersByTime(45);
    expect(entry.expiredAt).toHaveLength(0);
    jest.advanceTimersByTime(20);
    add(entry, 20);
    jest.advanceTimersByTime(40);
    expect(entry.expiredAt).toHaveLength(2);
  });

  it('lets what expires remove others that are due as well', () => {
    const first: Entry = new Entry(() => wheel.remove(second));
    const second: Entry = new Entry(() => wheel.remove(first));
    add(first, 20);
    add(second, 20);
    jest.advanceTimersByTime(100);
    expect(first.expiredAt.length + second.expiredAt.length).toBe(1);
  });

  it('lets what expires put off others that are due as well', () => {
    const later = new Entry();
    const remover = new Entry(() => {
      wheel.remove(later);
      add(later, 1_000);
    });
    add(later, 20);
    add(remover, 20); // the one that was added last expires first
    jest.advanceTimersByTime(500);
    expect([remover.expiredAt.length, later.expiredAt.length]).toEqual([1, 0]);
    jest.advanceTimersByTime(600);
    expect(later.expiredAt).toHaveLength(1);
  });

  it.each([-50, 0, 3, 2_555, 2_560])('lets what expires add itself again, due in %i ms', (ms) => {
    const entry: Entry = new Entry(() => {
      if (entry.expiredAt.length < 3) add(entry, ms);
    });
    add(entry, 10);
    jest.advanceTimersByTime(3 * (Math.max(ms, 0) + 3 * TICK_MS));
    expect(entry.expiredAt).toHaveLength(3);
  });

  it.each([100, REVOLUTION_MS - TICK_MS, REVOLUTION_MS, REVOLUTION_MS + TICK_MS, 10 * REVOLUTION_MS + 7])(
    'ends all that was due while the process stood still for %i ms, and nothing else',
    (ms) => {
      const due = Array.from({ length: 100 }, () => new Entry());
      const notDue = Array.from({ length: 100 }, () => new Entry());
      due.forEach((entry, i) => add(entry, (i * (ms - 2 * TICK_MS)) / 100));
      notDue.forEach((entry, i) => add(entry, ms + 50 + i * 77));
      stall(ms);
      expect(due.every((entry) => entry.expiredAt.length === 1)).toBe(true);
      expect(notDue.some((entry) => entry.expiredAt.length > 0)).toBe(false);
    },
  );

  it('ends what is added during a long stall’s end in its own time', () => {
    const added = new Entry();
    add(new Entry(() => add(added, 30)), 10);
    stall(3 * REVOLUTION_MS);
    expect(added.expiredAt).toHaveLength(0);
  });

  it.each([
    ['before its timer', false],
    ['while other sockets are read after it', true],
  ])('ends nothing whose answer came while the process stood still: %s', async (_, isAfterTimer) => {
    jest.useRealTimers();
    const [[here, there], [reader, writer]] = await Promise.all([socketPair(), socketPair()]);
    const told: string[] = [];
    const answer = once(here, 'data').then(() => told.push('answered'));
    const late = new Promise<void>((resolve) => {
      add(new Entry(() => resolve(void told.push('late'))), 20);
    });
    const standStill = (): void => {
      there.write('an answer');
      const end = performance.now() + 100;
      while (performance.now() < end);
    };
    if (isAfterTimer) {
      reader.once('data', standStill);
      setTimeout(() => writer.write('x'), TICK_MS);
    } else standStill();
    await Promise.all([answer, late]);
    for (const socket of [here, there, reader, writer]) socket.destroy();
    expect(told).toEqual(['answered', 'late']);
  });

  it('stands still while it is empty, and starts again', () => {
    expect(jest.getTimerCount()).toBe(0);
    const entry = new Entry();
    add(entry, 20);
    expect(jest.getTimerCount()).toBe(1);
    wheel.remove(entry);
    jest.advanceTimersByTime(2 * TICK_MS);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(123_456);
    add(entry, 20);
    jest.advanceTimersByTime(30);
    expect(entry.expiredAt).toHaveLength(1);
    jest.advanceTimersByTime(2 * TICK_MS);
    expect(jest.getTimerCount()).toBe(0);
  });
});
