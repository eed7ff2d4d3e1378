// A line with honest gaps: null breaks it; nothing is drawn between points that were not measured.
export function Sparkline({ values, width, height, label }: { values: (number | null)[]; width: number; height: number; label: string }) {
  const known = values.filter((v): v is number => v !== null);
  if (known.length < 2) return <svg class="spark" width={width} height={height} role="img" aria-label={label} />;
  const low = Math.min(...known);
  const span = Math.max(Math.max(...known) - low, 2);
  const x = (i: number) => ((i / Math.max(1, values.length - 1)) * (width - 4) + 2).toFixed(1);
  const y = (v: number) => (height - 3 - ((v - low) / span) * (height - 6)).toFixed(1);
  let path = "";
  let pen = false;
  values.forEach((v, i) => {
    if (v === null) pen = false;
    else {
      path += `${pen ? "L" : "M"}${x(i)} ${y(v)}`;
      pen = true;
    }
  });
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label} preserveAspectRatio="none">
      <path d={path} fill="none" stroke="currentColor" stroke-width="1.6" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
