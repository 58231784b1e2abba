import type { DashboardLink, DataSourceRef, Panel, RowPanel, Threshold } from '@grafana/schema';

/** Panels of a dashboard are placed on a grid of this many columns. */
const COLUMNS = 24;

export interface Query {
  expr: string;
  /** What a line is called, `{{label}}` being its value. */
  legend: string;
}

interface Shape {
  type: string;
  width: number;
  height: number;
}

export interface PanelOptions {
  /** Of Grafana: `s`, `reqps`, `percentunit`, … */
  unit: string;
  queries: Query[];
  /** Yellow and red from these values on; the other way round if the first is the larger. */
  thresholds?: [number, number];
  /** Name of the page of the runbook that tells what to do. */
  runbook?: string;
  /** In columns. */
  width?: number;
}

export type Draw = (options: PanelOptions & { title: string; description: string }) => Panel;

/** Clocks that are behind, and certificates that have expired. */
const MAY_BE_NEGATIVE = ['s', 'dtdurations'];
const DATA_SOURCE: DataSourceRef = { type: 'prometheus', uid: '${datasource}' };

export const graph: Draw = (options) => ({
  ...panel({ type: 'timeseries', width: 8, height: 8 }, options),
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
});

/** The last value, of the worst where there are several. */
export const figure: Draw = (options) => ({
  ...panel({ type: 'stat', width: 3, height: 4 }, options),
  options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' },
});

export const heatmap: Draw = (options) => {
  const { fieldConfig: _, ...drawn } = panel({ type: 'heatmap', width: 12, height: 9 }, options);
  return {
    ...drawn,
    targets: drawn.targets?.map((target) => ({ ...target, format: 'heatmap' })),
    options: {
      calculate: false,
      color: { mode: 'scheme', scheme: 'Oranges', steps: 64 },
      yAxis: { unit: options.unit },
      cellGap: 1,
      tooltip: { mode: 'single', yHistogram: true },
    },
  };
};

/** One row for each series, with its labels. */
export const table: Draw = (options) => {
  const drawn = panel({ type: 'table', width: 12, height: 8 }, options);
  const targets = drawn.targets?.map((target) => ({
    ...target,
    format: 'table',
    instant: true,
    range: false,
  }));
  const hidden = { Time: true, __name__: true, Value: true, job: true };
  return { ...drawn, targets, transformations: [{ id: 'organize', options: { excludeByName: hidden } }] };
};

function panel(
  { type, width, height }: Shape,
  options: PanelOptions & { title: string; description: string },
): Panel {
  const { title, description, unit, queries, runbook } = options;
  return {
    type,
    title,
    description,
    datasource: DATA_SOURCE,
    gridPos: { x: 0, y: 0, w: options.width ?? width, h: height },
    fieldConfig: {
      defaults: { unit, min: MAY_BE_NEGATIVE.includes(unit) ? undefined : 0, ...colours(options) },
      overrides: [],
    },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + i),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
    })),
    ...(runbook && { links: [linkTo(runbook, 'What to do')] }),
  };
}

/** To a page of the runbook. */
export function linkTo(page: string, title: string): DashboardLink {
  return {
    title,
    url: `\${runbook}/${page}.md`,
    type: 'link',
    icon: 'doc',
    tooltip: '',
    tags: [],
    asDropdown: false,
    includeVars: false,
    keepTime: false,
    targetBlank: true,
  };
}

function colours({ thresholds }: PanelOptions): object {
  if (!thresholds) return {};
  const [yellow, red] = thresholds;
  // JSON has no infinity: the lowest step is from null on.
  const steps: [number | null, string][] =
    yellow < red
      ? [
          [null, 'green'],
          [yellow, 'yellow'],
          [red, 'red'],
        ]
      : [
          [null, 'red'],
          [red, 'yellow'],
          [yellow, 'green'],
        ];
  return {
    thresholds: { mode: 'absolute', steps: steps.map(([value, color]): Threshold => ({ value, color })) },
    custom: { thresholdsStyle: { mode: 'line' } },
  };
}

/** Rows one below the other, the panels of each from left to right, with the numbers that Grafana wants. */
export function placed(rows: { title: string; panels: Panel[] }[]): (Panel | RowPanel)[] {
  let y = 0;
  let id = 0;
  return rows.flatMap(({ title, panels }) => {
    const gridPos = { x: 0, y: y++, w: COLUMNS, h: 1 };
    const head: RowPanel = { type: 'row', title, collapsed: false, gridPos, id: ++id, panels: [] };
    let x = 0;
    let below = y;
    const inRow = panels.map((each) => {
      const { w, h } = each.gridPos!;
      if (x + w > COLUMNS) [x, y] = [0, below];
      const gridPos = { x, y, w, h };
      x += w;
      below = Math.max(below, y + h);
      return { ...each, gridPos, id: ++id };
    });
    y = below;
    return [head, ...inRow];
  });
}
