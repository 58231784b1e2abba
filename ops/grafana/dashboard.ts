import type { Dashboard, VariableModel } from '@grafana/schema';
import {
  type Draw,
  figure,
  graph,
  heatmap,
  linkTo,
  type PanelOptions,
  placed,
  type Query,
  table,
} from './panels.js';

const SELECTION = 'job=~"$job", datacenter=~"$datacenter", instance=~"$instance"';
/** Of recorded rules, which are of no single process. */
const PLACES = 'job=~"$job", datacenter=~"$datacenter"';
const READS = 'method=~"GET|HEAD"';
const WRITES = 'method=~"POST|PUT"';
const DURATION = 'http_request_duration_seconds_bucket';

const of = (metric: string, ...matchers: string[]): string =>
  `${metric}{${[SELECTION, ...matchers].join(', ')}}`;
const rate = (metric: string, ...matchers: string[]): string =>
  `rate(${of(metric, ...matchers)}[$__rate_interval])`;
const sumRate = (by: string, metric: string, ...matchers: string[]): string =>
  `sum by (${by}) (${rate(metric, ...matchers)})`;
const quantile = (q: number, metric: string, ...matchers: string[]): string =>
  `histogram_quantile(${q}, ${sumRate('le', metric, ...matchers)})`;
const recorded = (name: string): string => `${name}{${PLACES}}`;

const query = (legend: string, expr: string): Query => ({ legend, expr });

/** A panel that is drawn as its place in the table says. */
function show(draw: Draw, title: string, description: string, options: PanelOptions) {
  return draw({ title, description, ...options });
}

const glance = [
  show(figure, 'Requests', 'Requests for sessions a second, refused ones included.', {
    unit: 'reqps',
    queries: [query('', `sum(${rate('http_requests_total')})`)],
  }),
  show(
    figure,
    'Failed',
    'Share of the requests of an hour that failed; the objective is 0.05 % over 30 days.',
    {
      unit: 'percentunit',
      queries: [query('', `max(${recorded('job_datacenter:kask_requests_failed:ratio_rate1h')})`)],
      thresholds: [0.0005, 0.0072],
      runbook: 'kask-error-budget-burns-fast',
    },
  ),
  show(
    figure,
    'Slow reads',
    'Share of the reads of an hour that took over 20 ms; the objective is 1 % over 30 days.',
    {
      unit: 'percentunit',
      queries: [query('', `max(${recorded('job_datacenter:kask_reads_slow:ratio_rate1h')})`)],
      thresholds: [0.01, 0.144],
      runbook: 'kask-read-budget-burns-fast',
    },
  ),
  show(figure, 'Processes that serve', 'Processes that are pooled and can read from the storage.', {
    unit: 'none',
    queries: [query('', `sum(${of('kask_pooled')} * ${of('kask_storage_up')})`)],
    thresholds: [2, 1],
    runbook: 'kask-gone',
  }),
  show(figure, 'Logouts that wait', 'Logouts that not every datacenter has acknowledged.', {
    unit: 'none',
    queries: [query('', `sum(${of('kask_pending_deletes')})`)],
    thresholds: [1, 1_000],
    runbook: 'kask-logouts-pending',
  }),
  show(figure, 'Nodes put aside', 'Cassandra nodes that are asked only where all others were.', {
    unit: 'none',
    queries: [query('', `max(${of('kask_cassandra_nodes_put_aside')})`)],
    thresholds: [1, 2],
    runbook: 'kask-node-put-aside',
  }),
  show(
    figure,
    'First certificate to expire',
    'Time until a certificate or a list of revoked ones runs out.',
    {
      unit: 'dtdurations',
      queries: [query('', `min(${of('kask_tls_expiry_timestamp_seconds')} - time())`)],
      thresholds: [14 * 86_400, 3 * 86_400],
      runbook: 'kask-certificate-expires',
    },
  ),
  show(figure, 'Clock', 'How far the worst clock is from those of the Cassandra nodes.', {
    unit: 's',
    queries: [query('', `max(abs(${of('kask_clock_offset_seconds')}))`)],
    thresholds: [0.1, 0.5],
    runbook: 'kask-clock-off',
  }),
];

const traffic = [
  show(
    graph,
    'Requests by operation',
    'GET and HEAD read, POST and PUT write, PATCH renews, DELETE is a logout.',
    {
      unit: 'reqps',
      queries: [query('{{method}}', sumRate('method', 'http_requests_total'))],
    },
  ),
  show(
    graph,
    'Requests by status',
    '404 of a read is a miss; 412 is another value than was asked for; 499 left before the answer; 5xx failed.',
    {
      unit: 'reqps',
      queries: [query('{{code}}', sumRate('code', 'http_requests_total'))],
      runbook: 'kask-error-budget-burns-fast',
    },
  ),
  show(graph, 'Errors by operation', 'Operations on the storage that failed, or that it was spared.', {
    unit: 'ops',
    queries: [
      query(
        '{{operation}} {{result}}',
        sumRate('operation, result', 'kask_storage_operations_total', 'result!~"ok|miss|unmet"'),
      ),
    ],
    runbook: 'kask-error-budget-burns',
  }),
  show(graph, 'Failed requests', 'Share that failed, over windows of the alerts; 0.05 % is the objective.', {
    unit: 'percentunit',
    queries: ['5m', '1h', '6h', '3d'].map((window) =>
      query(`{{datacenter}} ${window}`, recorded(`job_datacenter:kask_requests_failed:ratio_rate${window}`)),
    ),
    thresholds: [0.0005, 0.0072],
    runbook: 'kask-error-budget-burns-fast',
  }),
  show(graph, 'Slow reads', 'Share over 20 ms, over windows of the alerts; 1 % is the objective.', {
    unit: 'percentunit',
    queries: ['5m', '1h', '6h', '3d'].map((window) =>
      query(`{{datacenter}} ${window}`, recorded(`job_datacenter:kask_reads_slow:ratio_rate${window}`)),
    ),
    thresholds: [0.01, 0.144],
    runbook: 'kask-read-budget-burns-fast',
  }),
  show(graph, 'Misses', 'Share of the reads that found nothing; 3 % is usual.', {
    unit: 'percentunit',
    queries: [
      query(
        'misses',
        `sum(${rate('kask_storage_operations_total', 'operation="get", result="miss"')}) / sum(${rate('kask_storage_operations_total', 'operation="get", result=~"ok|miss"')})`,
      ),
    ],
  }),
];

const latency = [
  show(heatmap, 'Latency of reads', 'From the arrival of a request to the end of its answer.', {
    unit: 's',
    queries: [query('{{le}}', sumRate('le', DURATION, READS))],
    runbook: 'kask-read-budget-burns-fast',
  }),
  show(heatmap, 'Latency of writes', 'From the arrival of a request to the end of its answer.', {
    unit: 's',
    queries: [query('{{le}}', sumRate('le', DURATION, WRITES))],
  }),
  show(
    graph,
    'Reads',
    'Half of the reads, 99 of 100 and 999 of 1,000 are faster; 20 ms is the objective for 99.',
    {
      unit: 's',
      queries: [
        query('50 %', quantile(0.5, DURATION, READS)),
        query('99 %', quantile(0.99, DURATION, READS)),
        query('99.9 %', quantile(0.999, DURATION, READS)),
      ],
      thresholds: [0.02, 0.25],
      runbook: 'kask-read-budget-burns-fast',
    },
  ),
  show(graph, 'Writes and logouts', '99 of 100 are faster; a logout waits for both datacenters.', {
    unit: 's',
    queries: [
      query('writes', quantile(0.99, DURATION, WRITES)),
      query('logouts', quantile(0.99, DURATION, 'method="DELETE"')),
    ],
  }),
  show(graph, 'Where the time goes', 'Mean time of requests, and of the storage; the difference is ours.', {
    unit: 's',
    queries: [
      query('requests', mean('http_request_duration_seconds')),
      query('storage', mean('kask_storage_operation_duration_seconds')),
    ],
    runbook: 'kask-read-budget-burns-fast',
  }),
];

const saturation = [
  show(graph, 'Work in flight', 'Requests that wait, and how many operations may before more are refused.', {
    unit: 'none',
    queries: [
      query('requests of {{instance}}', of('kask_http_requests_in_flight')),
      query('limit of {{instance}}', of('kask_storage_operations_limit')),
    ],
    runbook: 'kask-overloaded',
  }),
  show(
    graph,
    'Refused for overload',
    'Operations that the storage was not asked, as it has too much to do.',
    {
      unit: 'ops',
      queries: [
        query('{{operation}}', sumRate('operation', 'kask_storage_operations_total', 'result="refused"')),
      ],
      runbook: 'kask-overloaded',
    },
  ),
  show(
    graph,
    'Event loop lag',
    'How late 99 of 100 turns are at most; the 50 ms between samples are taken off.',
    {
      unit: 's',
      queries: [query('{{instance}}', `${of('nodejs_eventloop_lag_p99_seconds')} - 0.05`)],
      thresholds: [0.05, 0.2],
      runbook: 'kask-read-budget-burns-fast',
    },
  ),
  show(graph, 'CPU', 'Cores in use; JavaScript has one, so 1 is nearly all there is.', {
    unit: 'none',
    queries: [query('{{instance}}', rate('process_cpu_seconds_total'))],
    thresholds: [0.7, 0.9],
  }),
  show(graph, 'Memory', 'What is resident, what of it is heap in use, and the limit where there is one.', {
    unit: 'bytes',
    queries: [
      query('{{instance}}', of('process_resident_memory_bytes')),
      query('heap of {{instance}}', of('nodejs_heap_size_used_bytes')),
      query('limit of {{instance}}', `${of('kask_memory_limit_bytes')} < Inf`),
    ],
    runbook: 'kask-memory-near-limit',
  }),
  show(graph, 'Garbage collection', 'Share of the time that the collector takes.', {
    unit: 'percentunit',
    queries: [query('{{instance}}', sumRate('instance', 'nodejs_gc_duration_seconds_sum'))],
  }),
  show(graph, 'Connections', 'Open connections of clients, and how many there may be.', {
    unit: 'none',
    queries: [
      query('{{instance}}', of('kask_http_connections')),
      query('limit of {{instance}}', of('kask_http_connections_limit')),
    ],
    runbook: 'kask-connections-near-limit',
  }),
  show(graph, 'Connections closed', 'Those that we closed or did not take, by why.', {
    unit: 'cps',
    queries: [query('{{reason}}', sumRate('reason', 'kask_http_connections_closed_total'))],
    runbook: 'kask-handshakes-fail',
  }),
];

const cassandra = [
  show(graph, 'Storage', '1 if a process can read our table.', {
    unit: 'none',
    queries: [query('{{instance}}', of('kask_storage_up'))],
    runbook: 'kask-storage-down',
  }),
  show(graph, 'Nodes', 'Nodes that are known, up, and put aside, as the process that sees most of them.', {
    unit: 'none',
    queries: [
      query('known', `max(${of('kask_cassandra_hosts')})`),
      query('up, at least', `min(${of('kask_cassandra_hosts_up')})`),
      query('put aside', `max(${of('kask_cassandra_nodes_put_aside')})`),
    ],
    runbook: 'kask-node-down',
  }),
  show(
    graph,
    'Hedges',
    'Share of the operations that a second node was asked for, as the first was silent; below 4 % is usual.',
    {
      unit: 'percentunit',
      queries: [
        query(
          'hedges',
          `sum(${rate('kask_cassandra_hedges_total')}) / sum(${rate('kask_storage_operations_total')})`,
        ),
      ],
      thresholds: [0.04, 0.1],
      runbook: 'kask-node-put-aside',
    },
  ),
  show(graph, 'Next tries', 'Requests that went to another node, as one refused or its connection broke.', {
    unit: 'ops',
    queries: [query('{{instance}}', rate('kask_cassandra_next_tries_total'))],
    runbook: 'kask-node-flaps',
  }),
  show(graph, 'Times put aside', 'How often nodes were put aside within an hour.', {
    unit: 'none',
    queries: [query('{{instance}}', `increase(${of('kask_cassandra_put_aside_total')}[1h])`)],
    thresholds: [1, 5],
    runbook: 'kask-node-flaps',
  }),
  show(
    graph,
    'Requests in flight to nodes',
    'Requests that wait for an answer of Cassandra, and connections to it.',
    {
      unit: 'none',
      queries: [
        query('requests', `sum(${of('kask_cassandra_requests_in_flight')})`),
        query('connections', `sum(${of('kask_cassandra_connections')})`),
      ],
    },
  ),
  show(graph, 'Clock', 'How far our timestamps are ahead of the clocks of the nodes, or behind.', {
    unit: 's',
    queries: [query('{{instance}}', of('kask_clock_offset_seconds'))],
    thresholds: [0.1, 0.5],
    runbook: 'kask-clock-off',
  }),
];

const logouts = [
  show(
    graph,
    'Logouts that wait',
    'Logouts that not every datacenter has acknowledged, and that are repeated.',
    {
      unit: 'none',
      queries: [query('{{datacenter}}', `sum by (datacenter) (${of('kask_pending_deletes')})`)],
      runbook: 'kask-logouts-pending',
    },
  ),
  show(graph, 'The oldest that waits', 'For how long; hints of Cassandra end after three hours.', {
    unit: 's',
    queries: [query('{{datacenter}}', `max by (datacenter) (${of('kask_pending_deletes_oldest_seconds')})`)],
    thresholds: [600, 7_200],
    runbook: 'kask-logouts-pending-long',
  }),
  show(
    graph,
    'Answers to logouts',
    '204 is acknowledged by every datacenter; 503 is mostly one that waits.',
    {
      unit: 'reqps',
      queries: [query('{{code}}', sumRate('code', 'http_requests_total', 'method="DELETE"'))],
      runbook: 'kask-logouts-fail',
    },
  ),
  show(
    graph,
    'What becomes of those that wait',
    'Remembered, done later, or given up as there were too many.',
    {
      unit: 'ops',
      queries: [query('{{event}}', sumRate('event', 'kask_pending_deletes_total'))],
      runbook: 'kask-logouts-given-up',
    },
  ),
];

const access = [
  show(
    graph,
    'Turned away',
    'Requests of clients that nobody could identify, or that may not do what they asked for.',
    {
      unit: 'reqps',
      queries: [query('{{problem}}', sumRate('problem', 'kask_access_refused_total'))],
      runbook: 'kask-clients-refused',
    },
  ),
  show(graph, 'Certificates', 'Time until the first certificate or list of each file expires.', {
    unit: 'dtdurations',
    queries: [query('{{file}}', `min by (file) (${of('kask_tls_expiry_timestamp_seconds')} - time())`)],
    thresholds: [14 * 86_400, 3 * 86_400],
    runbook: 'kask-certificate-expires',
  }),
  show(graph, 'New files of TLS', 'How often changed files were taken up within an hour, or could not be.', {
    unit: 'none',
    queries: [query('{{result}}', `sum by (result) (increase(${of('kask_tls_reloads_total')}[1h]))`)],
    runbook: 'kask-tls-reload-failed',
  }),
  show(graph, 'Sessions read by key', 'By the key of encryption at rest that opened them.', {
    unit: 'ops',
    queries: [query('{{row}} {{key}}', sumRate('row, key', 'kask_encryption_reads_total'))],
    runbook: 'kask-encryption-key-missing',
  }),
  show(
    graph,
    'Sessions that do not open',
    'Their key is not in the file, or they are not what was written.',
    {
      unit: 'ops',
      queries: [query('{{reason}}', sumRate('reason', 'kask_encryption_unopenable_total'))],
      runbook: 'kask-sessions-damaged',
    },
  ),
];

const WRITTEN = 'direction="written"';
const growth = [
  show(graph, 'Bytes by namespace', 'Bytes of values written a second, by kind of session.', {
    unit: 'Bps',
    queries: [query('{{namespace}}', sumRate('namespace', 'kask_namespace_value_bytes_sum', WRITTEN))],
    runbook: 'kask-namespace-grows',
  }),
  show(
    graph,
    'Against a week ago',
    'Bytes written in an hour for each that was written in the same hour a week ago.',
    {
      unit: 'none',
      queries: [
        query(
          '{{namespace}}',
          `sum by (namespace) (${recorded('job_datacenter_namespace:kask_bytes_written:rate1h')}) / sum by (namespace) (${recorded('job_datacenter_namespace:kask_bytes_written:rate1h')} offset 1w)`,
        ),
      ],
      thresholds: [1.33, 2],
      runbook: 'kask-namespace-grows',
    },
  ),
  show(
    graph,
    'In 30 days',
    'Bytes written a second now, and where a line through the last week ends in 30 days.',
    {
      unit: 'Bps',
      queries: [
        query('{{datacenter}} now', recorded('job_datacenter:kask_bytes_written:rate1h')),
        query(
          '{{datacenter}} in 30 days',
          `predict_linear(${recorded('job_datacenter:kask_bytes_written:rate1h')}[1w], 30 * 86400)`,
        ),
      ],
      runbook: 'kask-growth-predicted',
    },
  ),
  show(graph, 'Operations by namespace', 'Reads, writes and logouts a second, by kind of session.', {
    unit: 'ops',
    queries: [
      query(
        '{{namespace}} {{operation}}',
        sumRate('namespace, operation', 'kask_namespace_operations_total'),
      ),
    ],
  }),
  show(graph, 'Size of values', 'Mean size of the values that are written, by kind of session.', {
    unit: 'bytes',
    queries: [
      query(
        '{{namespace}}',
        `${sumRate('namespace', 'kask_namespace_value_bytes_sum', WRITTEN)} / ${sumRate('namespace', 'kask_namespace_value_bytes_count', WRITTEN)}`,
      ),
    ],
    runbook: 'kask-namespace-grows',
  }),
  show(graph, 'Large values', '99 of 100 values that are written are smaller, by kind of session.', {
    unit: 'bytes',
    queries: [
      query(
        '{{namespace}}',
        `histogram_quantile(0.99, ${sumRate('namespace, le', 'kask_namespace_value_bytes_bucket', WRITTEN)})`,
      ),
    ],
  }),
  show(graph, 'Misses by namespace', 'Share of the reads that found nothing, by kind of session.', {
    unit: 'percentunit',
    queries: [
      query(
        '{{namespace}}',
        `${sumRate('namespace', 'kask_namespace_operations_total', 'operation="get", result="miss"')} / ${sumRate('namespace', 'kask_namespace_operations_total', 'operation="get"')}`,
      ),
    ],
  }),
  show(
    graph,
    'Writes that change nothing',
    'Share of the writes whose value was there already, of those that could be compared.',
    {
      unit: 'percentunit',
      queries: [
        query(
          '{{namespace}}',
          `${sumRate('namespace', 'kask_namespace_compared_writes_total', 'result="unchanged"')} / ${sumRate('namespace', 'kask_namespace_compared_writes_total')}`,
        ),
      ],
    },
  ),
  show(
    graph,
    'Use of budgets',
    'Share of its budget that a namespace writes, in the process that has most of it.',
    {
      unit: 'percentunit',
      queries: [
        query(
          '{{namespace}}',
          `max by (namespace) (${sumRate('job, datacenter, instance, namespace', 'kask_namespace_value_bytes_sum', WRITTEN)} / on (job, datacenter, instance, namespace) ${of('kask_namespace_budget_bytes_per_second')})`,
        ),
      ],
      thresholds: [0.8, 1],
      runbook: 'kask-budget-refuses',
    },
  ),
  show(
    graph,
    'Refused for a budget',
    'Writes that were answered 429, as their namespace is past its budget.',
    {
      unit: 'ops',
      queries: [
        query(
          '{{namespace}}',
          sumRate('namespace', 'kask_namespace_operations_total', 'result="over_budget"'),
        ),
      ],
      runbook: 'kask-budget-refuses',
    },
  ),
  show(graph, 'Embedded store', 'Sessions in the file, expired ones that wait to be cleared included.', {
    unit: 'none',
    queries: [query('{{instance}}', of('kask_embedded_sessions'))],
  }),
];

const processes = [
  show(table, 'What runs', 'Version and build of each process, and of its Node.js.', {
    unit: 'none',
    queries: [query('', of('kask_build_info'))],
  }),
  show(graph, 'Pool', '1 if a process is pooled, 0 if the file depool_file is there.', {
    unit: 'none',
    width: 12,
    queries: [query('{{instance}}', of('kask_pooled'))],
    runbook: 'kask-depooled-long',
  }),
  show(graph, 'Restarts', 'How often a process started within an hour.', {
    unit: 'none',
    queries: [query('{{instance}}', `changes(${of('process_start_time_seconds')}[1h])`)],
    thresholds: [1, 3],
    runbook: 'kask-restarts',
  }),
  show(graph, 'Lost log lines', 'Lines that an output did not take.', {
    unit: 'ops',
    queries: [query('{{output}}', sumRate('output', 'kask_log_lines_dropped_total'))],
    runbook: 'kask-log-lines-dropped',
  }),
  show(graph, 'Lost spans', 'Spans of traces that could not be sent.', {
    unit: 'ops',
    queries: [query('{{instance}}', rate('kask_spans_dropped_total'))],
  }),
];

function mean(histogram: string): string {
  return `sum(${rate(`${histogram}_sum`)}) / sum(${rate(`${histogram}_count`)})`;
}

function choice(name: string, label: string, metric: string): VariableModel {
  return {
    name,
    label,
    type: 'query',
    datasource: { type: 'prometheus', uid: '${datasource}' },
    query: `label_values(${metric}, ${name})`,
    // A new process is there when the time range is changed.
    refresh: 2,
    multi: true,
    includeAll: true,
    // Also what has no such label.
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

/** What ops/grafana/kask.json holds, as `npm run dashboard` writes it. */
export const dashboard: Dashboard = {
  uid: 'kask',
  title: 'Kask',
  description: 'Session storage: what users see, what it runs on, and what is in it.',
  tags: ['kask'],
  // Of Grafana 11; later ones migrate it.
  schemaVersion: 39,
  editable: true,
  graphTooltip: 1,
  timezone: 'utc',
  refresh: '30s',
  time: { from: 'now-3h', to: 'now' },
  links: [linkTo('README', 'Runbook')],
  templating: {
    list: [
      { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
      choice('job', 'Job', 'kask_build_info'),
      choice('datacenter', 'Datacenter', 'kask_build_info{job=~"$job"}'),
      choice('instance', 'Process', 'kask_build_info{job=~"$job", datacenter=~"$datacenter"}'),
      // Where this repository's docs/runbook can be read: to be changed once.
      { name: 'runbook', label: 'Runbook', type: 'textbox', query: '/docs/runbook' },
    ],
  },
  panels: placed([
    { title: 'At a glance', panels: glance },
    { title: 'Traffic and errors', panels: traffic },
    { title: 'Latency', panels: latency },
    { title: 'Saturation', panels: saturation },
    { title: 'Cassandra', panels: cassandra },
    { title: 'Logouts', panels: logouts },
    { title: 'Access, certificates and keys', panels: access },
    { title: 'What is in there', panels: growth },
    { title: 'Processes', panels: processes },
  ]),
};
