# Throughput and p99 over the number of workers, a column for each workload. Variables: data, works, models, cores, kind, output, mark.
# Readable without colour: each model has a point shape and a dash pattern.
if (kind eq 'svg') set terminal svg noenhanced size 1000,720 font 'sans-serif,13' background '#ffffff'
if (kind eq 'png') set terminal pngcairo noenhanced size 1000,720 font 'sans-serif,11' background '#ffffff'
set output output

set linetype 1 lc rgb '#0072B2' lw 2 dt 1 pt 7 ps 1
set linetype 2 lc rgb '#56B4E9' lw 2 dt 2 pt 6 ps 1
set linetype 3 lc rgb '#D55E00' lw 2 dt 4 pt 9 ps 1
title_of(model) = model eq 'port' ? 'port: '.cores.' may run' : model eq 'port-unbound' ? 'port: all may run' : 'thread pool (chapter 7)'

# Columns of ports.tsv: 1 model, 2 workers, 4 cpu, 5 wait, 6 completed, 8 p99, 12 lowest, 13 highest.
cpu(work) = work[1:strstrt(work, ':') - 1]
wait(work) = work[strstrt(work, ':') + 1:]
runs(model, work) = sprintf("< awk -F '\t' '$1 == \"%s\" && $4 == %s && $5 == %s' %s", model, cpu(work), wait(work), data)

$unseen << END
4	100
END

set datafile separator tab
set border 3
set tics nomirror
set grid xtics ytics lc rgb '#dddddd' lt 1 lw 1 dt 1
set logscale x 2
set xrange [0.9:150]
set xtics (1, 2, 4, 8, 16, 32, 64, 128)
set lmargin 10
set multiplot layout 2,words(works) title 'Does the size of the pool matter? '.cores.' cores'.mark
set tmargin 3
set bmargin 4
do for [i = 1:words(works)] {
	work = word(works, i)
	if (i > 1) { unset key } else { set key at screen 0.5, screen 0.505 center horizontal Left reverse samplen 3 font ',11' }
	set title sprintf('computes %s µs, waits %s µs', cpu(work), wait(work)) offset 0,-0.3
	set ylabel i == 1 ? 'requests a second' : ''
	set yrange [0:*]
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     for [j = 1:words(models)] runs(word(models, j), work) using 2:6:12:13 with yerrorbars lt j pt -1 lw 1 dt 1 notitle, \
	     for [j = 1:words(models)] runs(word(models, j), work) using 2:6 with linespoints lt j title title_of(word(models, j))
}
unset key
do for [i = 1:words(works)] {
	work = word(works, i)
	set title ''
	set xlabel 'workers'
	set ylabel i == 1 ? 'p99, ms' : ''
	set yrange [0:*]
	plot $unseen using 1:2 with dots lc rgb '#ffffff' notitle, \
	     for [j = 1:words(models)] runs(word(models, j), work) using 2:($8 > 0 ? $8 / 1000 : NaN) with linespoints lt j notitle
}
unset multiplot
