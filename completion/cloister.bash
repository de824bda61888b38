# bash completion for cloister (bash 4.4 or later; no other package is needed).
#   this shell:   eval "$(cloister completion bash)"
#   every shell:  cloister completion bash >~/.local/share/bash-completion/completions/cloister

# The cloister in PATH answers, else the one that printed this; never the word that was typed, which may be a file of
# the current directory that nobody wants to run before pressing Enter.
__cloister_ask() {
  local command
  command=$(type -P cloister) || command=@CLOISTER@
  "$command" __complete -- "$@" 2>/dev/null
}

_cloister() {
  # Readline takes "=" and ":" for the ends of words: pieces that touch each other on the line belong to one word.
  local rest=${COMP_LINE:0:COMP_POINT} trimmed piece before='' words=() i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    trimmed=${rest#"${rest%%[![:space:]]*}"}
    piece=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || piece=$trimmed
    if ((i == 0)) || [[ -z $rest || $trimmed != "$rest" ]]; then
      before=''
      words+=("$piece")
    else
      before=${words[${#words[@]} - 1]}
      words[${#words[@]} - 1]+=$piece
    fi
    rest=${trimmed#"$piece"}
  done
  # Readline puts an answer in the place of the last piece; what is before that is on the line already.
  [[ $piece != [=:] ]] || before+=$piece

  COMPREPLY=()
  local word
  while IFS=$'\t' read -r word _; do
    case $word in
      :file) compopt -o default ;;
      :directory) compopt -o dirnames ;;
      *) COMPREPLY+=("${word#"$before"}") ;;
    esac
  done < <(__cloister_ask "${words[@]:1}")
}

complete -F _cloister cloister
