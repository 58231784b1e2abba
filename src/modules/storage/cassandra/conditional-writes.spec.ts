import { Registry } from 'prom-client';
import { Metrics } from '../../metrics/metrics.js';
import type { Condition } from '../session-store.js';
import { StorageError } from '../storage-error.js';
import type { CassandraService } from './cassandra.service.js';
import type { ConditionalExecution, Decision } from './conditional-path.js';
import { ConditionalWrites } from './conditional-writes.js';
import type { Execution, Row } from './lane/execution.js';
import { Timestamps } from './timestamps.js';

const [A, B, C] = ['a', 'b', 'c'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
const KEY = 'race:key';
const is =
  (...expected: Buffer[]): Condition =>
  (value) =>
    expected.some((each) => each.equals(value));

const WHERE_IT_DIFFERS = new Set(['replace', 'deletePresent']);

/** All replicas agree on `value`; what a plain read finds may be behind. */
class AgreeingReplicas {
  readonly timeoutMs = 2_000;
  readonly asked: string[] = [];
  value: Buffer | undefined;
  behind: { value: Buffer | undefined } | undefined;
  failing: StorageError | undefined;
  /** Before each is decided. */
  meanwhile: () => void = () => undefined;

  run({ statement }: Execution): Promise<Row | undefined> {
    this.asked.push(statement);
    const value = this.behind ? this.behind.value : this.value;
    return Promise.resolve(value && { value, ttlSeconds: 60 });
  }

  async runConditional({ statement, parameters }: ConditionalExecution): Promise<Decision> {
    this.asked.push(statement);
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.meanwhile();
    if (this.failing) throw this.failing;
    const { value } = this;
    const compared = parameters.at(-1) ?? undefined;
    const isSame = value === compared || (Buffer.isBuffer(compared) && value?.equals(compared) === true);
    const isApplied = WHERE_IT_DIFFERS.has(statement) ? !isSame : isSame && statement !== 'getSerial';
    if (isApplied) this.value = statement.startsWith('delete') ? undefined : (parameters[1] as Buffer);
    return { isApplied, value: isApplied ? undefined : value };
  }
}

let replicas: AgreeingReplicas;
let writes: ConditionalWrites;
let registry: Registry;

beforeEach(() => {
  replicas = new AgreeingReplicas();
  registry = new Registry();
  writes = new ConditionalWrites(
    replicas as unknown as CassandraService,
    new Timestamps(),
    new Metrics(registry),
  );
});

const set = (condition: Condition, value = C): Promise<boolean> => writes.setIf(KEY, condition, value, 60);

it.each<[Condition, string[]]>([
  ['any', ['replace']],
  ['absent', ['swap']],
  ['present', ['replace']],
  [is(A), ['get', 'swap']],
])('asks no more than it has to: %s', async (condition, asked) => {
  if (condition !== 'absent') replicas.value = A;
  expect(await set(condition)).toBe(true);
  expect(replicas.asked).toEqual(asked);
});

it('does not take a plain read for it that a condition does not hold', async () => {
  replicas.value = A;
  replicas.behind = { value: undefined };
  expect(await set(is(A))).toBe(true);
  expect(replicas.asked).toEqual(['get', 'getSerial', 'swap']);
  expect(await writes.touchIf(KEY, 'any', 60)).toEqual({ value: C, ttlSeconds: 60 });
});

it('does not take a plain read for it that a condition holds', async () => {
  replicas.value = B;
  replicas.behind = { value: A };
  expect(await set(is(A))).toBe(false);
  expect(replicas.value).toBe(B);
});

it('judges again what came in between', async () => {
  replicas.value = A;
  replicas.meanwhile = () => {
    if (replicas.value === A) replicas.value = B;
  };
  expect(await set(is(A, B))).toBe(true);
  expect(replicas.asked).toEqual(['get', 'swap', 'swap']);
});

it('tells all but two of many who create by what the first two have seen', async () => {
  const created = await Promise.all(
    Array.from({ length: 100 }, (_, i) => set('absent', Buffer.from(`${i}`))),
  );
  expect(created.filter(Boolean)).toHaveLength(1);
  expect(replicas.asked.length).toBeLessThanOrEqual(2);
});

it('tells nobody by what was agreed on before he came', async () => {
  replicas.value = A;
  expect(await set('absent')).toBe(false);
  replicas.value = undefined;
  expect(await set('absent')).toBe(true);
});

it('lets the next begin when one has failed', async () => {
  replicas.failing = new StorageError('timeout', 'late');
  const first = set('absent');
  const second = set('absent');
  await expect(first).rejects.toBe(replicas.failing);
  replicas.failing = undefined;
  expect(await second).toBe(true);
});

it('refuses what would wait too long for its turn, and nothing afterwards', async () => {
  Object.assign(replicas, { timeoutMs: 60_000 });
  const settled = await Promise.allSettled(Array.from({ length: 300 }, () => set('any')));
  const refused = settled.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(44);
  expect(refused[0]).toMatchObject({ reason: { kind: 'unavailable' } });
  expect(await set('any')).toBe(true);
});

it('begins nothing for which there is no time left', async () => {
  Object.assign(replicas, { timeoutMs: 0 });
  await expect(set('absent')).rejects.toMatchObject({ kind: 'unavailable' });
  expect(replicas.asked).toEqual([]);
});

it('counts what came of them, from zero', async () => {
  const counts = async (): Promise<unknown> =>
    (await registry.getSingleMetric('kask_cassandra_conditional_writes_total')!.get()).values.map(
      ({ labels, value }) => [labels.outcome, value],
    );
  const zero = ['applied', 'unmet', 'overtaken', 'unknown', 'failed'].map((outcome) => [outcome, 0]);
  expect(await counts()).toEqual(zero);
  await set('absent');
  await set('absent');
  replicas.failing = new StorageError('timeout', 'late');
  await set('any').catch(() => undefined);
  expect(await counts()).toEqual([
    ['applied', 1],
    ['unmet', 1],
    ['overtaken', 0],
    ['unknown', 1],
    ['failed', 0],
  ]);
});
