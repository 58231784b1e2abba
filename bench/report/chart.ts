import type { RunResult } from '../results.js';
import { compare, type Comparison } from './comparison.js';
import { ratioText } from './figures.js';

const WIDTH = 720;
const LABELS = 150;
const PLOT = 440;
const VALUES = LABELS + PLOT + 8;
const ROW = 24;
const BAR = 14;
const HEADING = 44;
const MARGIN = 16;
const CAPTION = 28;
const WORDS =
  'CPU time per request, less is better; 1 is the Go reference at its best setting; whiskers: all rounds';

/** Those that tell most; each is of one point. */
const SHOWN = ['saturated', 'rate', 'pod'];

/** Read on white as on black: the picture follows the reader's system. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .value { font-size: 12px; fill: #59636e; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  .whisker { stroke: #1f2328; stroke-width: 1.5; }
  .one { stroke: #cf222e; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .value { fill: #9198a1; }
    .bar { fill: #6e7681; }
    .ours { fill: #4493f8; }
    .whisker { stroke: #e6edf3; }
    .one { stroke: #f85149; }
  }
`;

interface Panel {
  title: string;
  peers: Comparison[];
}

/** CPU per request beside the Go reference: a panel for each scenario, a bar for each peer, its spread as a whisker. */
export function cpuChart({ scenarios }: RunResult): string {
  const panels = scenarios
    .filter(({ name }) => SHOWN.includes(name))
    .map(({ title, points }) => ({ title, peers: points.flatMap((point) => compare(point, 'cpuMicros')) }));
  const scale = PLOT / Math.max(1, ...panels.flatMap(({ peers }) => peers.map(({ ratio }) => ratio.max)));
  const heights = panels.map(({ peers }) => HEADING + peers.length * ROW);
  const height = sum(heights) + CAPTION + 2 * MARGIN;
  const drawn = panels.map((panel, i) => drawPanel(panel, MARGIN + sum(heights.slice(0, i)), scale));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    '<title>CPU time per request beside the Go reference</title>',
    `<style>${STYLE}</style>`,
    ...drawn,
    `<text class="value" x="${MARGIN}" y="${height - MARGIN}">${WORDS}</text>`,
    '</svg>\n',
  ].join('\n');
}

function drawPanel({ title, peers }: Panel, top: number, scale: number): string {
  const rows = peers.map((peer, i) => drawRow(peer, top + HEADING + i * ROW, scale));
  const one = LABELS + scale;
  const [above, below] = [top + HEADING - 6, top + HEADING + peers.length * ROW - 6];
  return [
    `<text class="title" x="${MARGIN}" y="${top + 22}">${escaped(title)}</text>`,
    ...rows,
    `<line class="one" x1="${px(one)}" x2="${px(one)}" y1="${above}" y2="${below}"/>`,
  ].join('\n');
}

function drawRow({ name, ratio }: Comparison, top: number, scale: number): string {
  const [low, high] = [ratio.min, ratio.max].map((value) => px(LABELS + value * scale));
  const middle = top + BAR / 2;
  return [
    `<text x="${LABELS - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
    `<rect class="${name.startsWith('kask') ? 'ours' : 'bar'}" x="${LABELS}" y="${top}" width="${px(ratio.median * scale)}" height="${BAR}"/>`,
    `<path class="whisker" d="M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8"/>`,
    `<text class="value" x="${VALUES}" y="${middle + 4}">${ratioText(ratio)}</text>`,
  ].join('\n');
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function px(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
