/** Markup, as opposed to text that may look like it. */
export class Html {
  constructor(readonly markup: string) {}
}

type Part = Html | string | number | undefined | readonly Part[];

/** A template whose parts are escaped, for elements and quoted attributes alike, unless they are markup themselves. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...parts.map(markupOf)));
}

/** Paragraphs, and what stands between backticks as code: as much of CommonMark as descriptions are in need of. */
export function prose(text: string): Html[] {
  const paragraphs = text.split(/\n\s*\n/).filter((paragraph) => paragraph.trim() !== '');
  return paragraphs.map((paragraph) => html`<p>${withCode(paragraph)}</p>`);
}

export function withCode(text: string): Html[] {
  return text.split(/(`[^`]+`)/).map((part) => {
    const isCode = part.length > 2 && part.startsWith('`') && part.endsWith('`');
    return isCode ? html`<code>${part.slice(1, -1)}</code>` : html`${part}`;
  });
}

function markupOf(part: Part): string {
  if (part instanceof Html) return part.markup;
  if (typeof part === 'object') return part.map(markupOf).join('');
  return String(part ?? '').replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}
