import { Random } from '../endurance/random.js';
import { type RegisterCall, type RegisterOperation, unexplained } from './register.js';

const call = (
  operation: RegisterOperation,
  [start, end]: [number, number],
  more: Partial<RegisterCall> = {},
): RegisterCall => ({ key: 'race', client: 'eqiad0', operation, outcome: 'met', start, end, ...more });
const create = (value: number, span: [number, number], outcome: RegisterCall['outcome'] = 'met') =>
  call('create', span, { value, outcome });
const swap = (
  expected: number,
  value: number,
  span: [number, number],
  outcome: RegisterCall['outcome'] = 'met',
) => call('swap', span, { expected, value, outcome });
const remove = (span: [number, number], outcome: RegisterCall['outcome'] = 'met') =>
  call('remove', span, { outcome });
const found = (value: number | undefined, span: [number, number]) => call('get', span, { found: value });

describe('what has no explanation', () => {
  it.each<[string, RegisterCall[]]>([
    ['two who created the same', [create(1, [0, 9]), create(2, [0, 9])]],
    ['two who swapped the same', [create(1, [0, 9]), swap(1, 2, [10, 30]), swap(1, 3, [10, 30])]],
    ['a refusal where nothing was', [create(1, [0, 9], 'unmet')]],
    ['a refusal of what is there', [create(1, [0, 9]), swap(1, 2, [10, 19], 'unmet')]],
    ['an acknowledged write that is not read', [create(1, [0, 9]), found(undefined, [10, 19])]],
    ['an acknowledged swap that is not read', [create(1, [0, 9]), swap(1, 2, [10, 19]), found(1, [20, 29])]],
    ['a value that nobody wrote', [found(7, [0, 9])]],
    ['a value that is there again', [create(1, [0, 9]), remove([10, 19]), found(1, [20, 29])]],
    ['a write that was refused with 503 and made', [create(1, [0, 9], 'refused'), found(1, [20, 29])]],
    [
      'a touch of what was deleted',
      [create(1, [0, 9]), remove([10, 19]), call('touch', [20, 29], { expected: 1 })],
    ],
    [
      'writes that others saw in two orders',
      [
        create(1, [0, 9]),
        swap(1, 2, [10, 19], 'unknown'),
        swap(1, 3, [20, 29], 'unmet'),
        swap(1, 4, [30, 39]),
      ],
    ],
  ])('%s', (_, calls) => {
    expect(unexplained(calls)).not.toBeUndefined();
  });

  it('is told by what is left over', () => {
    const calls = [create(1, [0, 9]), create(2, [10, 19])];
    expect(unexplained(calls)).toEqual([calls[1]]);
  });
});

describe('what has one', () => {
  it.each<[string, RegisterCall[]]>([
    ['one winner of many', [create(1, [0, 30], 'unmet'), create(2, [0, 30]), create(3, [40, 49], 'unmet')]],
    ['a write of which nobody knows, made', [create(1, [0, 9], 'unknown'), create(2, [10, 19], 'unmet')]],
    ['the same, not made', [create(1, [0, 9], 'unknown'), create(2, [10, 19])]],
    [
      'the same, made late',
      [create(1, [0, 9], 'unknown'), found(undefined, [10, 19]), create(2, [20, 29], 'unmet')],
    ],
    [
      'a read that is behind a write that was not acknowledged, though another was told of it',
      [
        create(1, [0, 9]),
        swap(1, 2, [10, 50], 'unknown'),
        swap(1, 3, [20, 29], 'unmet'),
        found(1, [30, 39]),
        found(2, [40, 45]),
        found(1, [46, 49]),
      ],
    ],
    ['a refusal with 503', [create(1, [0, 9], 'refused'), found(undefined, [10, 19])]],
    ['a touch of what is there', [create(1, [0, 9]), call('touch', [10, 19], { expected: 1 })]],
  ])('%s', (_, calls) => {
    expect(unexplained(calls)).toBeUndefined();
  });
});

/** Clients of one register that is right, or wrong in one of so many calls. */
function simulated(seed: number, wrongOneIn = Infinity): RegisterCall[] {
  const random = new Random(seed);
  const calls: RegisterCall[] = [];
  let value: number | undefined;
  for (let moment = 0; moment < 2_000; moment += 10) {
    const operation = (['create', 'swap', 'swap', 'put', 'remove', 'touch', 'get'] as const)[
      random.between(0, 6)
    ]!;
    const expected = operation === 'swap' ? (random.chance(0.7) ? value : 0) : undefined;
    const isLost = random.chance(0.1);
    const span: [number, number] = [moment - random.between(0, 60), moment + random.between(1, 60)];
    const met =
      { create: value === undefined, swap: expected === value && value !== undefined }[operation as string] ??
      (operation !== 'touch' || value !== undefined);
    const told = random.chance(1 / wrongOneIn) ? !met : met;
    calls.push(
      call(operation, span, {
        value: ['create', 'swap', 'put'].includes(operation) ? moment + 1 : undefined,
        expected: operation === 'swap' ? (expected ?? -1) : undefined,
        ...(operation === 'get' && { found: value }),
        outcome: isLost && operation !== 'get' ? 'unknown' : told ? 'met' : 'unmet',
      }),
    );
    if (met && operation !== 'get' && operation !== 'touch' && !(isLost && random.chance(0.5)))
      value = operation === 'remove' ? undefined : moment + 1;
  }
  return calls;
}

describe('a simulated register', () => {
  it.each(Array.from({ length: 20 }, (_, i) => i))('is not complained of while it is right: %i', (seed) => {
    expect(unexplained(simulated(seed))).toBeUndefined();
  });

  it('is caught if it tells what is not so', () => {
    const caught = Array.from({ length: 20 }, (_, seed) => unexplained(simulated(seed, 20))).filter(Boolean);
    expect(caught.length).toBeGreaterThan(15);
  });
});
