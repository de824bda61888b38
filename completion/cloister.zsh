#compdef cloister
# zsh completion for cloister.
#   this shell:   eval "$(cloister completion zsh)"      (after compinit)
#   every shell:  cloister completion zsh >DIR/_cloister     (DIR: a directory of $fpath)

# The cloister in PATH answers, else the one that printed this; never the word that was typed, which may be a file of
# the current directory that nobody wants to run before pressing Enter.
__cloister_ask() {
  local command
  command=$(whence -p cloister) || command=@CLOISTER@
  "$command" __complete -- "$@" 2>/dev/null
}

_cloister() {
  local line paths
  local -a offers
  for line in "${(@f)$(__cloister_ask "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")}"; do
    case $line in
      ('') ;;
      (:*) paths=${line#:} ;;
      # _describe takes what follows a colon for the description.
      (*) offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
    esac
  done
  if [[ -n $paths ]]; then
    [[ $PREFIX != --*=* ]] || compset -P 1 '--*='
    if [[ $paths == directory ]]; then _files -/; else _files; fi
    return
  fi
  (( $#offers )) && _describe -t cloister cloister offers
}

# Loaded by compinit it is called for an answer; sourced it makes itself known.
if [[ $funcstack[1] == _cloister ]]; then _cloister "$@"; else compdef _cloister cloister; fi
