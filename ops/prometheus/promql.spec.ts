import { documentedMetrics } from '../../test/harness/documented-metrics.js';
import { selectorsOf } from './promql.js';
import { undocumented } from './undocumented.js';

describe('the selectors of an expression', () => {
  it.each([
    ['up', ['up']],
    ['sum by (job, le) (rate(a_total{job=~"kask.*", code=~"4..|5.."}[5m])) / 2', ['a_total']],
    ['sum(a) by (job) > 1.5e6 and on (job) b offset 1w', ['a', 'b']],
    ['a / on (x) group_left (y) b unless ignoring (z) c', ['a', 'b', 'c']],
    ['absent(up{job="by (x) {"}) or job:a:rate5m < Inf', ['up', 'job:a:rate5m']],
    ['predict_linear(a[1w], 30 * 86400) > bool max_over_time(rate(b[1m])[1h:5m])', ['a', 'b']],
    ['histogram_quantile(0.99, sum by (le) (rate(a_bucket{le!="1", x=""}[$__rate_interval])))', ['a_bucket']],
    ['{x="y"}', ['']],
  ])('%s', (expression, metrics) => {
    expect(selectorsOf(expression).map(({ metric }) => metric)).toEqual(metrics);
  });

  it('have their labels', () => {
    expect(selectorsOf('rate(a{b="c", d=~"e|f"}[5m])')).toEqual([
      {
        metric: 'a',
        matchers: [
          { label: 'b', operator: '=', value: 'c' },
          { label: 'd', operator: '=~', value: 'e|f' },
        ],
      },
    ]);
  });
});

it('what docs/metrics.md does not have is found: a metric, a part of it, a label, a value', () => {
  const wrong = (expression: string): string[] =>
    undocumented(selectorsOf(expression), documentedMetrics(), ['a:recorded']);
  expect(wrong('a:recorded / kask_pooled + http_requests_total{job="x", code=~"2..|499"}')).toEqual([]);
  expect(wrong('http_request_duration_seconds_bucket{le="0.01"}')).toEqual([]);
  expect(wrong('kask_poled')).toEqual(['kask_poled']);
  expect(wrong('kask_pooled_sum')).toEqual(['kask_pooled_sum']);
  expect(wrong('http_requests_total{verb="GET"}')).toEqual(['http_requests_total{verb: GET}']);
  expect(wrong('http_requests_total{code=~"2..|6.."}')).toEqual(['http_requests_total{code: 2..|6..}']);
});
