import { fail, ok } from './finding.js';
import { Terminal } from './terminal.js';

const FOUND = fail('dns', 'no address', 'mend it');

function told(isTTY: boolean, environment: NodeJS.ProcessEnv = {}): string {
  let text = '';
  const output = { isTTY, write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  const terminal = new Terminal(output, environment);
  terminal.progress('looking …');
  terminal.tell(ok('node', 'up'));
  terminal.tell(FOUND);
  return text;
}

it('is plain lines where nobody looks on', () => {
  expect(told(false)).toBe('ok    node: up\nfail  dns: no address -> mend it\n');
  expect(told(true, { TERM: 'dumb' })).toBe(told(false));
});

it('has colour and progress on a terminal', () => {
  const text = told(true);
  expect(text).toContain('\x1b[32mok');
  expect(text).toContain('\x1b[31mfail');
  expect(text).toMatch(/looking ….*\r\x1b\[K.*node/s);
  expect(text).toMatch(/no address\n +.*-> mend it/);
});

it('keeps progress within one line', () => {
  let text = '';
  const output = { isTTY: true, columns: 10, write: (part: string) => (text += part) };
  new Terminal(output as unknown as NodeJS.WriteStream, { NO_COLOR: '1' }).progress('looking at everything');
  expect(text).toBe('\r\x1b[Klooking a');
});

it('takes a terminal that does not know its size for one of 80 columns', () => {
  let text = '';
  const output = { isTTY: true, columns: 0, write: (part: string) => (text += part) };
  new Terminal(output as unknown as NodeJS.WriteStream, { NO_COLOR: '1' }).progress('looking');
  expect(text).toBe('\r\x1b[Klooking');
});

it('has no colour with NO_COLOR', () => {
  expect(told(true, { NO_COLOR: '1' })).not.toMatch(/\x1b\[\d+m/);
});
