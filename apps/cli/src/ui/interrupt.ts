// SPDX-License-Identifier: GPL-2.0-only

/** Ctrl-C during long work: the first asks for the end, the second ends the process. */
export interface Interrupt {
  /** Has Ctrl-C been pressed? Lets the event loop look, so ask between runs. */
  asked(): Promise<boolean>;
  /** Stop listening. */
  end(): void;
}

/** Listen for Ctrl-C until end(). */
export function interruptible(): Interrupt {
  let asked = false;
  let looked = 0;
  const listen = (): void => {
    if (asked) process.exit(130);
    asked = true;
  };
  process.on('SIGINT', listen);
  return {
    async asked() {
      const now = performance.now();
      if (now - looked > 50) {
        looked = now;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      return asked;
    },
    end() {
      process.off('SIGINT', listen);
    },
  };
}
