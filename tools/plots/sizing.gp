# Throughput and p99 over the pool's size, a column for each workload. Variables: data, ratios, formulas, cores, loads, top, kind, output, mark.
# Readable without colour: each rate has a point shape and a dash pattern; predictions are lines without points.
if (kind eq 'svg') set terminal svg noenhanced size 1400,720 font 'sans-serif,13' background '#ffffff'
if (kind eq 'png') set terminal pngcairo noenhanced size 1400,720 font 'sans-serif,11' background '#ffffff'
set output output

colours = '#0072B2 #D55E00 #009E73'
do for [i = 1:3] { set linetype i lc rgb word(colours, i) lw 2 dt 1 pt int(word('7 9 5', i)) ps 1 }
measured = "p99, arrivals at %d %% of capacity"

# Columns of sizing.tsv: 4 pool, 6 completed, 8 p99, 9 predicted p99, 10 asked ratio, 11 share, 13 capacity.
runs(ratio, share) = sprintf("< awk -F '\t' '$10 == \"%s\" && $11 == \"%s\"' %s", ratio, share, data)
finite(us) = us < 1e9 ? us / 1000 : NaN

# A panel without data, after an early Ctrl-C, is drawn empty: an unseen point gives it an extent.
$unseen << END
4	100
END

set datafile separator tab
set border 3
set tics nomirror
set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1 dt 1
set logscale x 2
set xrange [0.9:36]
set xtics (1, 2, 4, 8, 16, 32)
set lmargin 9

set multiplot layout 2,words(ratios) title 'How many threads? '.cores.' cores'.mark
set tmargin 3
set bmargin 4
set key at screen 0.5, screen 0.505 center horizontal Left reverse samplen 3 font ',11'
do for [i = 1:words(ratios)] {
	if (i > 1) { unset key }
	formula = real(word(formulas, i))
	set arrow 1 from formula, graph 0 to formula, graph 1 nohead lc rgb '#7f7f7f' lw 1.5 dt 3
	set label 1 sprintf('N(1+W/S) = %.1f', formula) at graph 0.5, graph 1.03 center font ',10' tc rgb '#555555'
	set title 'W/S = '.word(ratios, i) offset 0,0.6
	set ylabel i == 1 ? 'requests a second' : ''
	set yrange [0:*]
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     runs(word(ratios, i), top) using 4:13 with lines lc rgb '#000000' dt 2 lw 1.5 title 'min(pool/(S+W), N/S)', \
	     runs(word(ratios, i), top) using 4:6 with linespoints lt 3 title 'measured, more offered than can be'
}
set logscale y
set key on
set key at screen 0.5, screen 0.025 center horizontal Left reverse samplen 3 font ',11'
set bmargin 6
unset label 1
do for [i = 1:words(ratios)] {
	if (i > 1) { unset key }
	formula = real(word(formulas, i))
	set arrow 1 from formula, graph 0 to formula, graph 1 nohead lc rgb '#7f7f7f' lw 1.5 dt 3
	set title ''
	set xlabel 'threads in the pool'
	set ylabel i == 1 ? 'p99, ms' : ''
	set yrange [*:*]
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     for [j = 1:words(loads)] runs(word(ratios, i), word(loads, j)) using 4:(finite($9)) with lines lc rgb word(colours, j) dt 2 lw 1.5 notitle, \
	     for [j = 1:words(loads)] runs(word(ratios, i), word(loads, j)) using 4:($8 / 1000) with linespoints lt j title sprintf(measured, int(100 * real(word(loads, j)) + 0.5)), \
	     $unseen using 1:(NaN) with lines lc rgb '#555555' dt 2 lw 1.5 title 'by M/M/c'
}
unset multiplot
