/** So many times wrong in a row is too often; who answers in between is forgiven a part of one each time. */
const TOO_OFTEN = 5;
const FORGIVEN = 0.25;
/** Between being put aside and the first probe, and between one that fails and the next, in ms. */
const FIRST_HOLD_MS = 200;
const RETRY_MS = 1_000;
/**
 * Who is put aside again soon after it was taken back passes probes and nothing else: it is held longer each time, up to
 * this, in ms.
 */
const LONGEST_HOLD_MS = 30_000;
const SOON_MS = 3_000;
/** So many probes in a row have to succeed, so far apart, in ms. */
const PROBES = 3;
const PROBE_EVERY_MS = 200;

export interface Trial {
  /** Resolves if the node did what a session would ask of it. */
  probe(): Promise<unknown>;
  /** There is no other that could be asked in its place. */
  isNeeded(): boolean;
  /** It was put aside, or is taken back. */
  changed(isAside: boolean, why: string): void;
}

/**
 * Whether a node is worth asking first, judged by what others do with the same request: a coordinator that refuses
 * what the next one grants, or is silent until another has answered, is put aside, and asked again only when it has
 * passed some probes. Where all of them are wrong, none can be told to be, and each keeps its place; one always does.
 */
export class Standing {
  isAside = false;
  private wrongs = 0;
  private holdMs = FIRST_HOLD_MS;
  private takenBackAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly trial: Trial) {}

  didWell(): void {
    if (this.wrongs > 0) this.wrongs = Math.max(this.wrongs - FORGIVEN, 0);
  }

  didWrong(why: string): void {
    if (this.isAside || this.isClosed) return;
    this.wrongs = Math.min(this.wrongs + 1, TOO_OFTEN);
    if (this.wrongs === TOO_OFTEN && !this.trial.isNeeded()) this.putAside(why);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private putAside(why: string): void {
    const isSoon = performance.now() - this.takenBackAt < SOON_MS;
    this.holdMs = isSoon ? Math.min(Math.max(this.holdMs * 2, RETRY_MS), LONGEST_HOLD_MS) : FIRST_HOLD_MS;
    this.isAside = true;
    this.trial.changed(true, why);
    this.probeIn(this.holdMs, PROBES);
  }

  private probeIn(ms: number, needed: number): void {
    this.timer = setTimeout(() => void this.probe(needed), ms).unref();
  }

  private async probe(needed: number): Promise<void> {
    const isWell = await this.trial.probe().then(
      () => true,
      () => false,
    );
    if (this.isClosed) return;
    if (!isWell) this.probeIn(RETRY_MS, PROBES);
    else if (needed > 1) this.probeIn(PROBE_EVERY_MS, needed - 1);
    else this.takeBack();
  }

  private takeBack(): void {
    this.isAside = false;
    this.wrongs = 0;
    this.takenBackAt = performance.now();
    this.trial.changed(false, `${PROBES} probes succeeded`);
  }
}
