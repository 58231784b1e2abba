import { CookieJar } from './cookie-jar.js';
import { decodeEntities, findForm, textOf } from './html-form.js';

export interface WikiPage {
  status: number;
  html: string;
  /** What a reader sees. */
  text: string;
  /** Whose page it is, by the link to the own user page; `undefined` for a visitor. */
  userName: string | undefined;
}

interface Wiki {
  url: string;
  id: string;
}

/** A person at a browser that runs no scripts. */
export class WikiUser {
  constructor(
    private readonly wiki: Wiki,
    private readonly cookies = new CookieJar(),
  ) {}

  /** Somebody who has every cookie that this person has now. */
  twin(): WikiUser {
    return new WikiUser(this.wiki, this.cookies.copy());
  }

  /** The key under which MediaWiki stores the session that the cookie names. */
  sessionKey(): string {
    const id = this.cookies.get(`${this.wiki.id}_session`);
    if (!id) throw new Error('the browser has no session cookie');
    return `${this.wiki.id}:MWSession:${id}`;
  }

  async logIn(name: string, password: string): Promise<WikiPage> {
    const page = await this.read('Special:UserLogin');
    return this.submit(page, 'wpLoginToken', {
      wpName: name,
      wpPassword: password,
      wploginattempt: 'Log in',
    });
  }

  async logOut(): Promise<WikiPage> {
    return this.submit(await this.read('Special:UserLogout'), 'wpEditToken', {});
  }

  async edit(title: string, text: string): Promise<WikiPage> {
    const page = await this.read(title, { action: 'edit' });
    return this.submit(page, 'wpTextbox1', { wpTextbox1: text, wpSummary: 'by hand', wpSave: 'Save page' });
  }

  read(title: string, query: Record<string, string> = {}): Promise<WikiPage> {
    return this.open(`/index.php?${new URLSearchParams({ title, ...query }).toString()}`);
  }

  private submit(page: WikiPage, fieldName: string, entered: Record<string, string>): Promise<WikiPage> {
    const form = findForm(page.html, fieldName);
    return this.open(form.action, new URLSearchParams({ ...form.fields, ...entered }));
  }

  private async open(location: string, body?: URLSearchParams): Promise<WikiPage> {
    const url = new URL(location, this.wiki.url);
    const response = await fetch(url, {
      method: body ? 'POST' : 'GET',
      body: body ?? null,
      headers: { cookie: this.cookies.header() },
      redirect: 'manual',
    });
    this.cookies.keep(response);
    const next = response.headers.get('location');
    if (next) return this.open(new URL(next, url).href);
    return pageOf(response.status, await response.text());
  }
}

function pageOf(status: number, html: string): WikiPage {
  const link = /<li id="pt-userpage"[^>]*>(.*?)<\/li>/.exec(html)?.[1];
  return { status, html, text: textOf(html), userName: link && decodeEntities(link.replace(/<[^>]*>/g, '')) };
}
