import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { requireChromium } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

const SCREENSHOTS = path.join(REPOSITORY, '.cache/screenshots');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** Debian's Chromium, without a screen. It runs as root here, where its sandbox does not. */
export function startChromium(): Promise<Browser> {
  const executablePath = requireChromium();
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A tab that notes what a page of ours must never do. */
export class WatchedTab {
  /** Requests to other origins, breaches of the page's policy, errors of scripts, dialogs: what it did wrong. */
  readonly wrongs: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly origin: string,
  ) {}

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<WatchedTab> {
    const context = await browser.newContext(options);
    const tab = new WatchedTab(await context.newPage(), new URL(url).origin);
    await tab.watch();
    await tab.page.goto(url);
    return tab;
  }

  private async watch(): Promise<void> {
    const { page, wrongs } = this;
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (origin !== this.origin && protocol !== 'blob:') wrongs.push(`asked ${request.url()}`);
    });
    page.on('pageerror', (error) => wrongs.push(`threw ${error.message}`));
    page.on('dialog', (dialog) => {
      wrongs.push(`opened a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => {
      // What answered 4xx or 5xx is told there as well.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        wrongs.push(`said ${message.text()}`);
    });
    await page.exposeFunction('noteViolation', (directive: string) => wrongs.push(`breached ${directive}`));
    await page.addInitScript(
      `addEventListener('securitypolicyviolation', (event) => noteViolation(event.effectiveDirective))`,
    );
  }

  /** What axe-core has against the page as it is now (WCAG 2.2, levels A and AA, and good practice). */
  async axe(): Promise<string[]> {
    await this.page.evaluate(AXE);
    return this.page.evaluate(`
      axe.run().then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))
    `);
  }

  /** Kept for who looks at the run. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }

  /** By the keyboard alone, from wherever it is; fails if what is looked for cannot be reached. */
  async tabTo(selector: string): Promise<void> {
    for (let presses = 0; presses < 60; presses++) {
      await this.page.keyboard.press('Tab');
      if (await this.page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
    }
    throw new Error(`${selector} cannot be reached by the keyboard`);
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}
