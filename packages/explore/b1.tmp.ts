import { scenarioByName } from '@vfio-lab/scenarios';
import { Dpor, ScenarioSubject } from './src/index.ts';
const [name, rev, on, n0, warm0] = process.argv.slice(2);
const subject = new ScenarioSubject(scenarioByName(name), rev, { checkers: on !== 'off' });
const dpor = new Dpor();
const warm = Number(warm0 ?? 2000), n = Number(n0 ?? 8000), chunk = n >= 8000 ? 1000 : n / 8;
let from = 0, c0 = process.cpuUsage(), t = 0; const rates: number[] = [];
for (let i = 0; i < warm + n; i++) {
  if (i === warm) { t = from = performance.now(); c0 = process.cpuUsage(); }
  dpor.begin();
  await subject.run(dpor);
  if (i > warm && (i - warm) % chunk === 0) { const now = performance.now(); rates.push(Math.round(chunk / (now - t) * 1000)); t = now; }
  if (!dpor.advance()) throw new Error('end');
}
const ms = performance.now() - from; const c = process.cpuUsage(c0);
rates.sort((a, b) => a - b);
console.log(`${name} ${rev} ${on ?? 'on'}: ${Math.round(n / ms * 1000)}/s wall, ${Math.round(n / (c.user + c.system) * 1e6)}/s cpu; chunks median ${rates[rates.length >> 1]} best ${rates.at(-1)}`);
