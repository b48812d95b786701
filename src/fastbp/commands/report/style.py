"""The style of the page: light or dark as the reader's system is, and readable on a phone."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --text: #1c2733; --quiet: #566373; --page: #f5f6f8; --paper: #ffffff; --card: #eef3f9;
  --line: #e1e5ea; --training: #2563a8; --validation: #d97706; --error: #b42318; --warning: #8a4b08; --bright: 1; }
@media (prefers-color-scheme: dark) {
  :root { --text: #dde4ec; --quiet: #9aa7b5; --page: #11161c; --paper: #1a212a; --card: #232d39; --line: #303b48;
    --training: #6cabf0; --validation: #f0a13c; --error: #ff8a7d; --warning: #f3b562; --bright: 1.45; }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: var(--text);
  background: var(--page); margin: 0; overflow-wrap: break-word; -webkit-text-size-adjust: 100%; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; line-height: 1.25; margin: 8px 0 2px; } h2 { font-size: 18px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 18px 0 6px; } p { margin: 8px 0; }
.quiet { color: var(--quiet); } h1 + .quiet { margin: 0 0 20px; }
section { background: var(--paper); border-radius: 10px; padding: 18px 22px; margin: 16px 0;
  box-shadow: 0 1px 3px #0002; }
.scores { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 14px; }
.score { flex: 1 1 140px; background: var(--card); border-radius: 8px; padding: 10px 14px; }
.score b { display: block; font-size: 24px; } .score span { color: var(--quiet); font-size: 13px; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 14px; }
.beside > div { min-width: 0; align-self: center; }
svg { display: block; height: auto; margin: 0 auto; overflow: visible; }
svg * { stroke-linejoin: round; stroke-linecap: butt; } svg image { filter: brightness(var(--bright)); }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
td.n, th.n { text-align: right; } td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
td { max-width: 340px; min-width: 3em; }
ul { margin: 0; padding-left: 20px; } li { margin: 4px 0; }
pre { overflow-x: auto; font-size: 13px; line-height: 1.45; margin: 8px 0; background: var(--card); border-radius: 8px;
  padding: 10px 14px; } pre.folds { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--quiet); }
@media (max-width: 600px) {
  main { padding: 12px 10px 40px; } section { padding: 14px 14px; margin: 12px 0; } h1 { font-size: 21px; }
  th, td { padding: 4px 7px; } .score { flex-basis: 120px; } .score b { font-size: 20px; }
}
@media print { section { break-inside: avoid; box-shadow: none; } }
"""
