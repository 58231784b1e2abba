export interface Selector {
  metric: string;
  matchers: { label: string; operator: string; value: string }[];
}

/** What stands in the way of names of metrics: numbers and durations, ranges, texts, and labels to group or match by. */
const OTHER =
  /\d[\w.]*|\[[^\]]*\]|"(?:[^"\\]|\\.)*"|\b(?:by|without|on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?/;
const SELECTOR = /([a-zA-Z_:][\w:]*)?\s*(?:\{((?:[^}"]|"(?:[^"\\]|\\.)*")*)\})?/;
/** Of a function, or of an aggregation with its labels before what it aggregates. */
const CALL = /(\s*\(|\s*\b(?:by|without)\b\s*\([^)]*\)\s*\()?/;
const TOKEN = new RegExp(`${OTHER.source}|${SELECTOR.source}${CALL.source}`, 'g');
const WORDS = ['and', 'or', 'unless', 'bool', 'offset', 'Inf'];

/** The metrics that a PromQL expression asks for, in the order that they stand there. */
export function selectorsOf(expression: string): Selector[] {
  const found = [...expression.matchAll(TOKEN)].filter(
    ([, metric, matchers, call]) =>
      !call && (matchers !== undefined || (metric !== undefined && !WORDS.includes(metric))),
  );
  return found.map(([, metric = '', matchers = '']) => ({ metric, matchers: [...matchersOf(matchers)] }));
}

function* matchersOf(text: string): Iterable<Selector['matchers'][number]> {
  for (const [, label = '', operator = '', value = ''] of text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g))
    yield { label, operator, value };
}
