// The page of the worst utterances: which they are, what it shows, and that hostile texts stay texts.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { escapeHtml, worstPage } from '../../src/evaluate/page.js';
import { WorstUtterances } from '../../src/evaluate/worst.js';
import { evaluated, type Said } from './rows.js';

function pageOf(said: readonly Said[], options = { count: 100, clipBytes: 1e6 }): string {
  const { rows, evaluation } = evaluated(said);
  const worst = new WorstUtterances(options);
  for (const row of rows) worst.add(row);
  return worstPage({ name: 'model', dataset: 'data', evaluation, utterances: worst.list() });
}

describe('WorstUtterances', () => {
  const texts: Said[] = [
    { reference: 'a b c d', hypothesis: 'a b c d' },
    { reference: 'a b c d', hypothesis: 'a b c x' },
    { reference: 'a b', hypothesis: 'x y' },
    { reference: 'a b c d', hypothesis: 'x y c d' },
    { reference: 'a b', hypothesis: 'a x' },
    { reference: '', hypothesis: 'a b c d e f g' },
  ];
  const list = (count: number, clips = 100) => {
    const worst = new WorstUtterances({ count, clipBytes: clips * 32044 });
    for (const row of evaluated(texts).rows) worst.add(row);
    return worst.list().map(({ index, errors, clip }) => [index, errors, clip !== undefined]);
  };

  it('are those with most errors, then with the highest rate; rows without an error are none', () => {
    const all = [
      [2, 2, true],
      [3, 2, true],
      [4, 1, true],
      [1, 1, true],
    ];
    expect(list(10)).toEqual(all);
    expect(list(3)).toEqual(all.slice(0, 3));
    expect(list(0)).toEqual([]);
  });

  it('have their clips while the budget lasts, the worst first', () => {
    expect(list(10, 2).map(([, , clip]) => clip)).toEqual([true, true, false, false]);
    expect(list(10, 0.9).map(([, , clip]) => clip)).toEqual([false, false, false, false]);
  });
});

describe('the page', () => {
  it('shows what was said and heard side by side', () => {
    const page = pageOf([{ reference: 'One cat sat on the mat', hypothesis: 'a cat sat the mat now' }]);
    expect(page).toContain(
      '<span class="sub"><del>one</del> <ins>a</ins></span> cat sat <del>on</del> the mat <ins>now</ins>',
    );
    expect(page).toContain('<dd dir="auto">One cat sat on the mat</dd>');
    expect(page).toContain('data-errors="3"');
    expect(page).toMatch(/<audio controls preload="none" src="data:audio\/wav;base64,UklGR/);
    expect(page).toContain('<strong>WER 50.00 %</strong>');
  });

  it('aligns scripts without spaces letter by letter, marks with their letters', () => {
    const page = pageOf([
      { reference: '東京は夜です', hypothesis: '東京わ夜' },
      { reference: 'น้ำดี', hypothesis: 'น้ามดี', language: 'th' },
    ]);
    expect(page).toContain(
      '東京<span class="sub"><del>は</del> <ins>わ</ins></span>夜<del>で</del><del>す</del>',
    );
    expect(page).toContain('dir="auto" lang="th"');
  });

  it('leaves the direction of texts to the texts', () => {
    const page = pageOf([{ reference: 'שלום עולם', hypothesis: 'שלום' }]);
    expect(page).toContain('<p class="aligned" dir="auto">שלום <del>עולם</del></p>');
    expect(page).not.toMatch(/dir="(ltr|rtl)"/);
  });

  it('tells languages and symptoms', () => {
    const page = pageOf([
      { reference: 'uno dos', hypothesis: 'uno', language: 'es' },
      { reference: 'ek', hypothesis: 'ra ra ra ra ra ra ra ra ra ra', language: 'hi' },
    ]);
    expect(page).toMatch(/<th>Language<\/th>.*<td>es<\/td>.*<td>hi<\/td>/);
    expect(page).toContain('repeats itself');
    expect(page).toContain('<li class="flag">texts that repeat the same words again and again: 1</li>');
  });

  it('searches and sorts', () => {
    const page = pageOf([
      { reference: 'one two three', hypothesis: 'x y z' },
      { reference: 'Four', hypothesis: 'five', seconds: 2 },
    ]);
    const listeners: Record<string, () => void> = {};
    const control = (name: string) => ({
      value: '',
      addEventListener: (event: string, listener: () => void) => {
        listeners[`${name} ${event}`] = listener;
      },
    });
    const articles = [...page.matchAll(/<article([^>]*)>([\s\S]*?)<\/article>/g)].map(([, data, text]) => ({
      hidden: false,
      textContent: text!,
      dataset: Object.fromEntries([...data!.matchAll(/data-(\w+)="([^"]*)"/g)].map(([, k, v]) => [k, v])),
    }));
    const main = {
      children: articles,
      order: articles,
      append: (...rows: typeof articles) => (main.order = rows),
    };
    const form = { ...control('form'), hidden: true, search: control('search'), order: control('order') };
    const output = { textContent: '' };
    const [, script] = /<script>([\s\S]*?)<\/script>/.exec(page)!;
    new Function('document', script!)({
      querySelector: (name: string) => ({ main, form, output })[name],
    });
    expect([form.hidden, output.textContent]).toEqual([false, '2 shown']);
    form.search.value = 'FOUR five';
    listeners['search input']!();
    expect([articles.map(({ hidden }) => hidden), output.textContent]).toEqual([[true, false], '1 shown']);
    form.order.value = 'cer';
    listeners['order change']!();
    expect(main.order.map(({ dataset }) => dataset.index)).toEqual(['0', '1']);
    form.order.value = 'seconds';
    listeners['order change']!();
    expect(main.order.map(({ dataset }) => dataset.index)).toEqual(['1', '0']);
    form.order.value = 'index';
    listeners['order change']!();
    expect(main.order.map(({ dataset }) => dataset.index)).toEqual(['0', '1']);
  });

  it('runs nothing that comes from data', () => {
    const attack = `"><script>alert(1)</script><img src=x onerror=alert(1)>'&lt;`;
    const { rows, evaluation } = evaluated([
      { id: attack, reference: `${attack} a`, hypothesis: attack, language: attack },
    ]);
    const worst = new WorstUtterances({ count: 1, clipBytes: 0 });
    worst.add(rows[0]!);
    const page = worstPage({ name: attack, dataset: attack, evaluation, utterances: worst.list() });
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/<img|onerror=alert\(1\)>'/);
    expect(page).toContain(escapeHtml(attack));
    expect(escapeHtml(attack)).toBe(
      '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&#39;&amp;lt;',
    );
  });

  it('lets its own style and script run alone, and loads nothing', () => {
    const page = pageOf([{ reference: 'a', hypothesis: 'b' }]);
    const hash = (tag: string) => {
      const [, content] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)!;
      return `'sha256-${createHash('sha256').update(content!).digest('base64')}'`;
    };
    const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)!;
    expect(policy).toContain(`style-src ${hash('style')}`);
    expect(policy).toContain(`script-src ${hash('script')}`);
    expect(policy).toMatch(/^default-src 'none'; media-src data:;/);
    expect(page).not.toMatch(/https?:|\sstyle=|\son\w+=/);
  });
});
