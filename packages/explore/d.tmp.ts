import { scenarioByName } from '@vfio-lab/scenarios';
import { Checkpoint, Fingerprint } from '@vfio-lab/sim';
import { Dpor, ScenarioSubject } from './src/index.ts';
const N = 4000;
let count = 0;
const orig = Fingerprint.prototype.take;
Fingerprint.prototype.take = function (this: any) {
  const r = orig.call(this);
  if (++count === 2500 || count === 2600) {
    const cp = this.checkpoint;
    const nop = () => {};
    const t = (name: string, f: () => void) => { for (let i = 0; i < 200; i++) f(); const s = performance.now(); for (let i = 0; i < N; i++) f(); console.log(name.padEnd(20), ((performance.now() - s) / N * 1000).toFixed(2), 'us'); };
    t('take', () => orig.call(this));
    t('differences', () => cp.differences(nop));
    t('differences+tell', () => cp.differences(this.differs));
    for (const k of ['tables', 'arrays', 'maps', 'sets', 'buffers']) { t(k, () => cp[k].differences(0, nop)); t(k + ' find', () => { cp[k].changed.length = 0; cp[k].find(cp[k].changed); }); }
    t('summaries', () => { for (const o of this.summaries) for (const k of Object.getOwnPropertySymbols(Object.getPrototypeOf(o))) if (String(k) === 'Symbol(state)') o[k](); });
    this.fresh.length = 0; this.numbers.clear();
    console.log('summaries', this.summaries.map((o: any) => o.constructor.name).join(' '));
  }
  return r;
};
const subject = new ScenarioSubject(scenarioByName(process.argv[2]), 'v7', {});
const dpor = new Dpor();
for (let i = 0; i < 2700; i++) { dpor.begin(); await subject.run(dpor); dpor.advance(); }
