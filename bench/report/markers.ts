const BEGIN = '<!-- results: npm run bench -- --write -->';
const END = '<!-- end of results -->';

/** The page with other results between its markers; what stands around them is prose of people. */
export function between(page: string, results: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('the page has lost the markers of its results');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${results}\n\n${page.slice(end)}`;
}
