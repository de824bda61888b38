# fish completion for cloister (fish 3.1 or later).
#   this shell:   cloister completion fish | source
#   every shell:  cloister completion fish >~/.config/fish/completions/cloister.fish

# The cloister in PATH answers, else the one that printed this; never the word that was typed, which may be a file of
# the current directory that nobody wants to run before pressing Enter.
function __cloister_ask
    set -l command (type -fP cloister 2>/dev/null; or echo @CLOISTER@)
    $command __complete -- $argv 2>/dev/null
end

function __cloister_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (__cloister_ask $words[2..-1] "$current")
        switch $line
            case :file
                __cloister_paths __fish_complete_path "$current"
            case :directory
                __cloister_paths __fish_complete_directories "$current"
            case '*'
                echo -- $line
        end
    end
end

# A word is completed as a whole: --rootfs=/us to --rootfs=/usr/.
function __cloister_paths
    set -l option (string match -r -- '^--[^=]*=' $argv[2])
    for found in ($argv[1] (string replace -r -- '^--[^=]*=' '' $argv[2]))
        echo -- "$option$found"
    end
end

complete -c cloister -e
complete -c cloister -f -a '(__cloister_complete)'
