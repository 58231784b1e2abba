export interface HtmlForm {
  action: string;
  /** The hidden fields, which a browser sends back as they came. */
  fields: Record<string, string>;
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex: string, decimal: string, name: string) => {
      if (name) return ENTITIES[name] ?? whole;
      return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
    },
  );
}

/** The form of the page that has a field of this name. */
export function findForm(html: string, fieldName: string): HtmlForm {
  const forms = html.match(/<form\b[\s\S]*?<\/form>/gi) ?? [];
  const form = forms.find((candidate) => candidate.includes(`name="${fieldName}"`));
  if (!form) throw new Error(`the page has no form with ${fieldName}: ${textOf(html).slice(0, 500)}`);
  return { action: attribute(form, 'action') ?? '', fields: hiddenFields(form) };
}

/** What a reader sees of a page. */
export function textOf(html: string): string {
  const visible = html.replace(/<(script|style|head)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return decodeEntities(visible).replace(/\s+/g, ' ').trim();
}

function hiddenFields(form: string): Record<string, string> {
  const inputs = (form.match(/<input\b[^>]*>/gi) ?? []).filter(
    (input) => attribute(input, 'type') === 'hidden',
  );
  return Object.fromEntries(
    inputs.map((input) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? '']),
  );
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`^<[^>]*?\\s${name}=(?:"([^"]*)"|'([^']*)')`, 'i').exec(tag);
  return found ? decodeEntities(found[1] ?? found[2] ?? '') : undefined;
}
