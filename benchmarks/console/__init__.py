"""The console's pages with many cases beside few."""
