// Style and script of the page of worst utterances: plain, small, and all there is.

export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #ffffff; --soft: #f3f4f6; --line: #d5d8dd; --dim: #5d6470;
  --sub: #fff1cc; --sub-ink: #7a4d00; --del: #ffe0de; --del-ink: #a1160f; --ins: #d9f2e1; --ins-ink: #0b6330; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15171a; --soft: #1f2226; --line: #3a3f46;
  --dim: #9aa2ad; --sub: #46370f; --sub-ink: #ffd87a; --del: #4d1f1d; --del-ink: #ffaaa3; --ins: #143d26;
  --ins-ink: #8fe3b0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.dim, dt, th { color: var(--dim); font-weight: normal; }
table { border-collapse: collapse; margin: .75rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .75rem .15rem 0; text-align: end; }
th:first-child, td:first-child { text-align: start; }
ul { padding-inline-start: 1.25rem; }
form { position: sticky; top: 0; display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; padding: .75rem 0;
  background: var(--paper); border-bottom: 1px solid var(--line); }
form[hidden] { display: none; }
input, select { font: inherit; padding: .25rem .5rem; border: 1px solid var(--line); border-radius: .25rem;
  color: inherit; background: var(--soft); }
input { flex: 1 1 14rem; }
article { padding: 1rem 0; border-bottom: 1px solid var(--line); }
header p, article p { margin: .25rem 0; overflow-wrap: anywhere; }
.aligned { font-size: 1.15rem; line-height: 1.9; }
.aligned del, .aligned ins { padding: .1rem .25rem; border-radius: .2rem; }
del { color: var(--del-ink); background: var(--del); text-decoration: line-through; }
ins { color: var(--ins-ink); background: var(--ins); text-decoration: none; }
.sub { border-bottom: 2px solid var(--sub-ink); }
.sub del, .sub ins { color: var(--sub-ink); background: var(--sub); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem; margin: .25rem 0; }
dd { margin: 0; overflow-wrap: anywhere; }
audio { display: block; width: 100%; max-width: 28rem; margin-top: .5rem; }
.flag { color: var(--del-ink); }
`;

export const PAGE_SCRIPT = `
const list = document.querySelector('main');
const rows = [...list.children].map((row) => [row, row.textContent.toLowerCase()]);
const form = document.querySelector('form');
const shown = document.querySelector('output');
const show = () => {
  const wanted = form.search.value.toLowerCase().split(/\\s+/);
  let count = 0;
  for (const [row, text] of rows) {
    row.hidden = !wanted.every((word) => text.includes(word));
    count += !row.hidden;
  }
  shown.textContent = count + ' shown';
};
const sort = () => {
  const key = form.order.value;
  const sign = key === 'index' ? 1 : -1;
  list.append(...rows.map(([row]) => row).sort((a, b) => sign * (a.dataset[key] - b.dataset[key])));
};
form.addEventListener('submit', (event) => event.preventDefault());
form.search.addEventListener('input', show);
form.order.addEventListener('change', sort);
form.hidden = false;
show();
`;
