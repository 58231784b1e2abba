import { traceContextOf } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('the trace that a caller tells of', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    // Other flags mean something else; later versions may say more.
    [`00-${TRACE}-${SPAN}-03`, true],
    [`00-${TRACE}-${SPAN}-02`, false],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-holds`, true],
    [`cc-${TRACE}-${SPAN}-01`, true],
  ])('is read: %s', (traceparent, isSampled) => {
    expect(traceContextOf({ traceparent })).toEqual({
      traceId: TRACE,
      spanId: SPAN,
      isSampled,
      state: undefined,
    });
  });

  it.each([
    '',
    TRACE,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01-more`,
    `cc-${TRACE}-${SPAN}-01more`,
    // What Node.js makes of two headers.
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ])('is none: %s', (traceparent) => {
    expect(traceContextOf({ traceparent })).toBeUndefined();
  });

  it('has the state of others with it, unless that is longer than has to be passed on', () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    expect(traceContextOf({ traceparent, tracestate: 'a=1,b=2' })?.state).toBe('a=1,b=2');
    expect(traceContextOf({ traceparent, tracestate: `a=${'1'.repeat(511)}` })?.state).toBeUndefined();
    expect(traceContextOf({ tracestate: 'a=1' })).toBeUndefined();
  });
});
